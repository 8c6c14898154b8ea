#pragma once
/* Shared by the files of this room only: it shows jansson. */
#include "report/report.h"

#include <jansson.h>

/* An array that is laid out as rows and columns: it has an element that is an object, or no element at all. */
bool report_is_table(const json_t *array);

/* The columns of such an array: every key of its objects, in order of first appearance; an element that is no object stands under "value". */
struct columns {
        const char **names; /* point into the document */
        size_t n;
};
int columns_of(const json_t *array, struct columns *ret, struct err *e) MUST_CHECK;
void columns_deinit(struct columns *c);
const json_t *cell_of(const json_t *element, const char *column); /* NULL: this element has no such key */

/* A value that is no object and no table, as text. Lists are joined with `between`. */
struct words {
        const char *null, *yes, *no, *between;
};
void value_text(const json_t *v, const struct words *w, struct buf *out);

int table_render(const char *title, const json_t *document, struct buf *out, struct err *e) MUST_CHECK;
int csv_render(const json_t *document, struct buf *out, struct err *e) MUST_CHECK;

/* Columns of a terminal that a text takes: wide characters two, combining ones none. Bytes that are no UTF-8 count one each. */
size_t display_width(const char *s, size_t len);
/* Appends `s` with everything that would move a terminal's cursor or turn its writing direction replaced by a space. */
void add_printable(const char *s, size_t len, struct buf *out);
