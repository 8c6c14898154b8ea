/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rows in memory as parameters, one array for each column: what
 * "select * from unnest($1::int[], $2::text[], …)" takes.
 *
 *         static const struct db_column columns[] = {
 *                 DB_FIELD(DB_INT4, struct share, source_no),
 *                 DB_FIELD(DB_TEXT, struct share, reason),
 *                 DB_CALL(DB_TEXT, add_day),
 *         };
 *         const struct db_rowset rows = DB_ARRAY(list, n);
 *         db_add_columns(p, &rows, columns, ARRAY_LEN(columns));
 */
#include "db/params.h"

/* How a field lies in its row. DB_FIELD finds it by the field's C type. */
enum db_field {
        DB_FIELD_BOOL,
        DB_FIELD_INT16,
        DB_FIELD_INT32, /* enums, too */
        DB_FIELD_INT64, /* in a column of DB_TIMESTAMPTZ an instant, INSTANT_NONE is NULL */
        DB_FIELD_UUID,
        DB_FIELD_SPAN,   /* ptr NULL is NULL */
        DB_FIELD_STRING, /* NULL is NULL */
        DB_FIELD_CALL,   /* none: `add` gives the value */
};

struct db_column {
        enum db_type type; /* of the array's elements */
        enum db_field field;
        size_t offset;
        bool not_null; /* a text that is NULL is '' */
        /* Adds exactly one element, by db_element_…; `ctx` is the rowset's. */
        void (*add)(struct db_params *p, const void *row, void *ctx);
};

#define DB_FIELD_OF(x)                      \
        _Generic((x),                       \
                bool: DB_FIELD_BOOL,        \
                int16_t: DB_FIELD_INT16,    \
                int: DB_FIELD_INT32,        \
                unsigned: DB_FIELD_INT32,   \
                int64_t: DB_FIELD_INT64,    \
                uint64_t: DB_FIELD_INT64,   \
                struct uuid: DB_FIELD_UUID, \
                struct span: DB_FIELD_SPAN, \
                char *: DB_FIELD_STRING,    \
                const char *: DB_FIELD_STRING)

/* No row is read: _Generic looks at the type only. */
// cppcheck-suppress-macro nullPointer
#define DB_FIELD(t, row, member)                          \
        { .type = (t),                                    \
          .field = DB_FIELD_OF(((const row *)0)->member), \
          .offset = offsetof(row, member) }
// cppcheck-suppress-macro nullPointer
#define DB_FIELD_NOT_NULL(t, row, member)                 \
        { .type = (t),                                    \
          .field = DB_FIELD_OF(((const row *)0)->member), \
          .offset = offsetof(row, member),                \
          .not_null = true }
/* The row itself is the value: an int32_t, a const char *, … */
// cppcheck-suppress-macro nullPointer
#define DB_ITSELF(t, row) { .type = (t), .field = DB_FIELD_OF(*(const row *)0) }
#define DB_CALL(t, function) { .type = (t), .field = DB_FIELD_CALL, .add = (function) }

/* Which rows, and in which order: the same at each of the walks over them. */
struct db_rowset {
        /* an array of rows with `stride` bytes from one to the next; of pointers to rows when it
         * is 0 */
        const void *rows;
        size_t n, stride;
        /* instead of an array: the row after `row`, the first one after NULL; NULL ends it */
        const void *(*next)(const void *row, void *ctx);
        /* leaves out the rows for which it says false; NULL: none */
        bool (*wanted)(const void *row, void *ctx);
        void *ctx; /* for the functions here and in the columns */
};

#define DB_ARRAY(list, count) { .rows = (list), .n = (count), .stride = sizeof *(list) }
#define DB_POINTERS(list, count) { .rows = (list), .n = (count) }

/* Adds an array for each column: as many parameters as columns. */
void db_add_columns(struct db_params *p, const struct db_rowset *rows,
                    const struct db_column *columns, size_t n);
/* For lists of a single column: texts. */
void db_add_strings(struct db_params *p, const char *const *list, size_t n);
