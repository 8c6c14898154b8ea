/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "report/rendering.h"

/* How a format writes what JSON has no text for, and what stands between the elements of a list. */
struct value_words {
        const char *null, *yes, *no, *between;
};
/* A value that is no object and no table, as text. NULL: absent, as null. */
void value_text(struct rendering *r, const struct json_node *v, const struct value_words *w,
                struct buf *out);
