/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of structs as column-major parameters. */
#include "db/columns.h"

struct walk {
        const struct db_rowset *rows;
        size_t at;       /* of the array's next row */
        const void *row; /* the one that `next` gave */
};

static const void *walk_any(struct walk *w)
{
        const struct db_rowset *r = w->rows;
        if (r->next)
                return w->row = r->next(w->row, r->ctx);
        if (w->at == r->n)
                return NULL;
        size_t i = w->at++;
        return r->stride ? (const char *)r->rows + i * r->stride
                         : ((const void *const *)r->rows)[i];
}

static const void *walk_next(struct walk *w)
{
        const void *row;
        while ((row = walk_any(w)) && w->rows->wanted && !w->rows->wanted(row, w->rows->ctx))
                continue;
        return row;
}

static size_t count_rows(const struct db_rowset *r)
{
        struct walk w = { .rows = r };
        size_t n = 0;
        if (!r->next && !r->wanted)
                return r->n;
        while (walk_next(&w))
                n++;
        return n;
}

static void add_int64(struct db_params *p, enum db_type type, int64_t v)
{
        if (type == DB_TIMESTAMPTZ)
                db_element_instant(p, v);
        else
                db_element_int(p, v);
}

static void add_text(struct db_params *p, const struct db_column *c, struct span s)
{
        db_element_text(p, c->not_null && !s.ptr ? SPAN_LIT("") : s);
}

static void add_cell(struct db_params *p, const struct db_column *c, const void *row, void *ctx)
{
        const void *field = (const char *)row + c->offset;
        switch (c->field) {
        case DB_FIELD_BOOL:
                db_element_int(p, *(const bool *)field);
                break;
        case DB_FIELD_INT16:
                db_element_int(p, *(const int16_t *)field);
                break;
        case DB_FIELD_INT32:
                db_element_int(p, *(const int32_t *)field);
                break;
        case DB_FIELD_INT64:
                add_int64(p, c->type, *(const int64_t *)field);
                break;
        case DB_FIELD_UUID:
                db_element_uuid(p, field);
                break;
        case DB_FIELD_SPAN:
                add_text(p, c, *(const struct span *)field);
                break;
        case DB_FIELD_STRING:
                add_text(p, c, span_of(*(const char *const *)field));
                break;
        case DB_FIELD_CALL:
                c->add(p, row, ctx);
        }
}

void db_add_columns(struct db_params *p, const struct db_rowset *rows,
                    const struct db_column *columns, size_t n)
{
        size_t count = count_rows(rows);
        for (const struct db_column *c = columns; c < columns + n; c++) {
                struct walk w = { .rows = rows };
                const void *row;
                db_array_begin(p, c->type, count);
                while ((row = walk_next(&w)))
                        add_cell(p, c, row, rows->ctx);
                db_array_end(p);
        }
}

void db_add_strings(struct db_params *p, const char *const *list, size_t n)
{
        static const struct db_column text = DB_ITSELF(DB_TEXT, char *);
        const struct db_rowset rows = DB_ARRAY(list, n);
        db_add_columns(p, &rows, &text, 1);
}
