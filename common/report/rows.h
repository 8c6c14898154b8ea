/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Arrays of a document as rows and columns, with memory for one row. */
#include "report/rendering.h"

/* An array that is laid out as rows and columns: it has an element that is an object, or no element
 * at all. */
bool report_is_table(const struct json_node *v);

/* The columns of such an array: every key of its objects, in order of first appearance; an element
 * that is no object stands under "value". */
struct columns {
        struct arena *arena; /* the names' */
        const char **names;
        size_t n;
};
bool columns_of(struct rendering *r, const struct json_node *array, struct columns *ret);
void columns_deinit(struct columns *c);
/* NULL: this element has no such key */
const struct json_node *columns_cell(const struct json_node *element, const char *column);

/* Goes through an array with a memory that holds one element at a time: for (…; rows_next(&w); )
 * w.row */
struct rows {
        struct rendering *rendering;
        struct json_walk walk;
        struct arena *arena;
        struct json_node row;
};
struct rows rows_of(struct rendering *r, const struct json_node *array);
bool rows_next(struct rows *w);
void rows_deinit(struct rows *w);
#define ROWS_CLEANUP CLEANUP(rows_deinit)
