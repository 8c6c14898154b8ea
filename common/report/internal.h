#pragma once
/* Shared by the files of this room only. */
#include "report/json.h"
#include "report/report.h"

/* A rendering under way. Functions that add to it say nothing of failures: `broken` is looked at
 * between rows, and at the end. */
struct rendering {
        struct json_text *text;
        struct buf *out;
        int fd;      /* where `out` is written when it has grown; -1: it is kept */
        bool broken; /* `err` says why */
        struct err *err;
};

/* Between rows: writes what has gathered. False: stop. */
bool rendering_go_on(struct rendering *r);

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
const struct json_node *cell_of(const struct json_node *element, const char *column);

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

/* A value that is no object and no table, as text. Lists are joined with `between`. */
struct words {
        const char *null, *yes, *no, *between;
};
void value_text(struct rendering *r, const struct json_node *v, const struct words *w,
                struct buf *out);

void table_render(struct rendering *r, const char *title, const struct json_node *document);
void csv_render(struct rendering *r, const struct json_node *document);

/* Columns of a terminal that a text takes: wide characters two, combining ones none. Bytes that are
 * no UTF-8 count one each. */
size_t display_width(const char *s, size_t len);
/* Appends `s` with everything that would move a terminal's cursor or turn its writing direction
 * replaced by a space. */
void add_printable(const char *s, size_t len, struct buf *out);
