/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A statement's parameters: built once, reused. Texts and arrays are copied in. Lists of structs
 * become arrays by db/columns.h.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/instant.h"
#include "base/uuid.h"

struct db_params;

struct db_params *db_params_new(size_t max_bytes); /* NULL when out of memory */
void db_params_free(struct db_params *p);
DEFINE_CLEANUP(db_params_cleanup, struct db_params, db_params_free)
void db_params_reset(struct db_params *p);
size_t db_params_count(const struct db_params *p);

/* Each adds the next parameter. A parameter past the buffer's maximum, or out of memory, makes the
 * query that uses it fail with ERR_FATAL. */
void db_add_null(struct db_params *p);
/* ptr NULL: NULL. Also for any type by its text form: give the SQL a cast */
void db_add_text(struct db_params *p, struct span s);
void db_add_str(struct db_params *p, const char *s);
void db_add_int8(struct db_params *p, int64_t v);
void db_add_int4(struct db_params *p, int32_t v);
void db_add_bool(struct db_params *p, bool v);
void db_add_uuid(struct db_params *p, struct uuid u);
void db_add_bytea(struct db_params *p, struct span s);
void db_add_instant(struct db_params *p, instant t); /* timestamptz; INSTANT_NONE: NULL */

/* One-dimensional binary arrays: begin with the element type, add each element, end. */
enum db_type { DB_INT2, DB_INT4, DB_INT8, DB_BOOL, DB_TEXT, DB_UUID, DB_BYTEA, DB_TIMESTAMPTZ };
void db_array_begin(struct db_params *p, enum db_type type, size_t count);
void db_element_int(struct db_params *p, int64_t v);      /* DB_INT2, INT4, INT8, BOOL */
void db_element_text(struct db_params *p, struct span s); /* DB_TEXT, DB_BYTEA; ptr NULL: NULL */
void db_element_uuid(struct db_params *p, const struct uuid *u); /* NULL: NULL */
void db_element_instant(struct db_params *p, instant t);
void db_array_end(struct db_params *p); /* the count must be what begin said */
/* For who builds an element: it could not be made because memory is missing, and the query then
 * fails with that. */
void db_params_fail(struct db_params *p);
