/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and columns of a document's arrays. */
#include "report/rows.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_MAX = 16 * 1024 * 1024, COLUMNS_MAX = 4 * 1024 * 1024 };

bool report_is_table(const struct json_node *v)
{
        return v->kind == JSON_LIST && (v->has_map || v->count == 0);
}

struct rows rows_of(struct rendering *r, const struct json_node *array)
{
        struct rows w = { .rendering = r,
                          .walk = json_walk(r->text, array),
                          .arena = arena_new(ROW_MAX) };
        if (!w.arena)
                rendering_oom(r);
        return w;
}

bool rows_next(struct rows *w)
{
        if (!rendering_go_on(w->rendering))
                return false;
        arena_reset(w->arena);
        int rc = json_next(&w->walk, w->arena, &w->row, w->rendering->err);
        if (rc < 0)
                rendering_fail(w->rendering, rc);
        return rc > 0;
}

void rows_deinit(struct rows *w)
{
        arena_free(w->arena);
}

/* Most rows have the keys of the first, in its order: the search starts where the last one was
 * found. */
static bool add_column(struct columns *c, size_t *cap, size_t *at, const char *name)
{
        for (size_t i = 0; i < c->n; i++) {
                size_t k = (*at + i) % c->n;
                if (strcmp(c->names[k], name) == 0) {
                        *at = k + 1;
                        return true;
                }
        }
        if (c->n == *cap) {
                size_t bigger = *cap ? *cap * 2 : 16;
                const char **names = realloc(c->names, bigger * sizeof *names);
                if (!names)
                        return false;
                c->names = names;
                *cap = bigger;
        }
        const char *copy = arena_strndup(c->arena, name, strlen(name));
        if (copy)
                c->names[c->n++] = copy;
        *at = c->n;
        return copy;
}

bool columns_of(struct rendering *r, const struct json_node *array, struct columns *ret)
{
        struct columns c = { .arena = arena_new(COLUMNS_MAX) };
        size_t cap = 0;
        bool good = c.arena;
        struct rows w ROWS_CLEANUP = rows_of(r, array);
        while (good && rows_next(&w)) {
                size_t at = 0;
                if (w.row.kind != JSON_MAP)
                        good = add_column(&c, &cap, &at, "value");
                for (const struct json_node *m = w.row.kind == JSON_MAP ? w.row.first : NULL;
                     m && good; m = m->next)
                        good = add_column(&c, &cap, &at, m->key);
        }
        if (!good)
                rendering_oom(r);
        *ret = c;
        return !r->broken;
}

void columns_deinit(struct columns *c)
{
        free(c->names);
        arena_free(c->arena);
        *c = (struct columns){ 0 };
}

const struct json_node *columns_cell(const struct json_node *element, const char *column)
{
        if (element->kind == JSON_MAP)
                return json_member(element, column);
        return strcmp(column, "value") == 0 ? element : NULL;
}
