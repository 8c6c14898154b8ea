/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The value types of a pack. */
#include "base/buf.h"

enum value_type {
        VALUE_TEXT,
        VALUE_INTEGER,
        VALUE_BOOLEAN,
        VALUE_DATE,
        VALUE_TIMESTAMP,
        VALUE_UUID,
        VALUE_INTEGER_ARRAY,
        VALUE_TEXT_ARRAY
};

/* as pack.cfg names them, by enum value_type; NULL-terminated */
extern const char *const value_type_names[];

/* "text", "bigint", "boolean", "date", "timestamptz", "uuid", "bigint[]", "text[]" */
const char *value_sql_type(enum value_type t);
/* Does the text read as that type? Checked before PostgreSQL sees it, so that one bad value spoils
 * no batch. */
bool value_valid(enum value_type t, struct span text);

/* A whole number in decimal, with or without a sign; false when it is none or too large. */
bool value_integer(struct span s, int64_t *ret);

/* Called for each element of an array's text; false ends the walk. */
typedef bool (*value_element_check)(void *ctx, struct span element);
/* False when the text is no array, or `check` is false for an element. */
bool value_each_element(struct span s, value_element_check check, void *ctx);
