/* SPDX-License-Identifier: Apache-2.0 */
/* The statement of a task type, put together from the pack's text and the engine's, and prepared
 * once per connection. */
#include "ledger/compose.h"

#include "ledger/compose_text.h"
#include "pack/action_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OTHERS_MAX = 128 * 1024 };

struct composer {
        struct slot {
                const struct task_type *type;
                struct shape shape;
                bool all; /* is prepared */
                struct composed variants[VARIANT_COUNT];
        } **slots;
        size_t n;
};

struct composer *composer_new(void)
{
        return calloc(1, sizeof(struct composer));
}

void composer_free(struct composer *c)
{
        if (!c)
                return;
        for (size_t i = 0; i < c->n; i++) {
                for (int v = 0; v < VARIANT_COUNT; v++)
                        composed_deinit(&c->slots[i]->variants[v]);
                free(c->slots[i]->shape.others);
                free(c->slots[i]);
        }
        free(c->slots);
        free(c);
}

static struct slot *slot_of(struct composer *c, const struct task_type *type)
{
        for (size_t i = 0; i < c->n; i++)
                if (c->slots[i]->type == type)
                        return c->slots[i];
        struct slot **list = reallocarray(c->slots, c->n + 1, sizeof *list);
        if (list)
                c->slots = list;
        struct slot *s = list ? calloc(1, sizeof *s) : NULL;
        if (!s)
                return NULL;
        s->type = type;
        return c->slots[c->n++] = s;
}

/* Where in the pack's files the fault stands. */
static int prepare(struct db *d, const struct composing *k, const struct composed *c, struct err *e)
{
        char where[400];
        if (db_prepare(d, c->name, c->sql, e) == 0)
                return 0;
        size_t line = sql_fault_line(c->sql, e);
        bool in_guard = line > c->guard_line && line <= c->body_line && composing_guarded(k);
        sql_where(in_guard ? &k->type->precondition : k->file, c->sql,
                  in_guard ? c->guard_line : c->body_line, e, where, sizeof where);
        return err_prefix(e, "%s", where);
}

static bool engine_column(const char *name)
{
        static const char *const names[] = { "subject", "item",  "outcome",   "reason",
                                             "before",  "after", "follow_ups" };
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (strcmp(names[i], name) == 0)
                        return true;
        return false;
}

static int read_others(const struct db_result *r, char **ret, struct err *e)
{
        BUF_CLEANUP struct buf out;
        buf_init(&out, OTHERS_MAX);
        for (int i = 0; i < db_columns(r); i++) {
                const char *name = db_column_name(r, i);
                if (engine_column(name))
                        continue;
                buf_adds(&out, ", e.\"");
                for (const char *p = name; *p; p++)
                        buf_addf(&out, *p == '"' ? "\"\"" : "%c", *p);
                buf_adds(&out, "\"");
        }
        *ret = out.failed ? NULL : strdup(buf_str(&out));
        return *ret ? 0 : err_oom(e);
}

int compose_describe(struct db *d, const struct task_type *type, int type_no, bool record,
                     struct db_result **ret, struct err *e)
{
        struct composed bare CLEANUP(composed_deinit) = { 0 };
        enum variant v = record ? VARIANT_RECORD : VARIANT_AGAIN;
        const struct composing k = { type, type_no, v, composing_file(type, v), NULL };
        if (pack_search_path(d, type->pack, false, e) < 0 || compose_bare(&k, &bare, e) < 0 ||
            prepare(d, &k, &bare, e) < 0)
                return -1;
        return db_describe(d, bare.name, ret, e) < 0 ? err_prefix(e, "%s", k.file->path) : 0;
}

static int explain(struct db *d, const struct composed *bare, struct db_result **ret, struct err *e)
{
        BUF_CLEANUP struct buf sql;
        buf_init(&sql, COMPOSED_MAX);
        buf_addf(&sql, "explain (costs off) execute %s (", bare->name);
        for (size_t i = 1; i < (size_t)bare->bound.first + bare->bound.n_names; i++)
                buf_adds(&sql, i > 1 ? ", null" : "null");
        buf_adds(&sql, ")");
        if (sql.failed)
                return err_oom(e);
        if (db_exec(d, "begin; set local plan_cache_mode = force_generic_plan", e) < 0 ||
            db_query(d, buf_str(&sql), NULL, ret, e) < 0)
                return -1;
        return 0;
}

int compose_reads_batch(struct db *d, const struct task_type *type, int type_no, bool record,
                        bool *ret, struct err *e)
{
        struct composed bare CLEANUP(composed_deinit) = { 0 };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct err other = ERR_INIT;
        enum variant v = record ? VARIANT_RECORD : VARIANT_AGAIN;
        const struct composing k = { type, type_no, v, composing_file(type, v), NULL };
        if (compose_bare(&k, &bare, e) < 0 || prepare(d, &k, &bare, e) < 0)
                return -1;
        int rc = explain(d, &bare, &r, e);
        if (db_exec(d, "rollback", rc < 0 ? &other : e) < 0 || rc < 0)
                return rc < 0 ? err_prefix(e, "%s", k.file->path) : -1;
        *ret = false;
        for (int i = 0; i < db_rows(r); i++)
                *ret = *ret || strstr(db_str(r, i, 0), "CTE Scan on batch");
        return 0;
}

/* Asks PostgreSQL which columns the effect has. */
static int find_shape(struct db *d, const struct task_type *t, int type_no, struct shape *ret,
                      struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *path = composing_file(t, VARIANT_AGAIN)->path;
        if (compose_describe(d, t, type_no, false, &r, e) < 0)
                return -1;
        const char *missing = db_column(r, "subject") < 0   ? "subject"
                              : db_column(r, "outcome") < 0 ? "outcome"
                                                            : NULL;
        if (missing)
                return err_set(e, ERR_FATAL, "", "%s: effect has no column \"%s\"", path, missing);
        const char *doubled = db_column_doubled(r);
        if (doubled)
                return err_set(e, ERR_FATAL, "", "%s: effect has the column \"%s\" twice", path,
                               doubled);
        if (read_others(r, &ret->others, e) < 0)
                return -1;
        ret->item = db_column(r, "item") >= 0;
        ret->reason = db_column(r, "reason") >= 0;
        ret->before = db_column(r, "before") >= 0;
        ret->after = db_column(r, "after") >= 0;
        ret->follow_ups = db_column(r, "follow_ups") >= 0;
        ret->known = true;
        return 0;
}

int compose(struct composer *c, struct db *d, const struct task_type *type, int type_no,
            enum variant v, const struct composed **ret, struct err *e)
{
        *ret = NULL;
        if ((v == VARIANT_RECORD && !type->record.text) ||
            (v == VARIANT_PLACED && !type->ops->in_database))
                return 0;
        struct slot *s = slot_of(c, type);
        if (!s)
                return err_oom(e);
        struct composed *q = &s->variants[v];
        if (q->sql && db_prepared(d, q->name)) {
                *ret = q;
                return 0;
        }
        const struct composing k = { type, type_no, v, composing_file(type, v), &s->shape };
        if (pack_search_path(d, type->pack, false, e) < 0)
                return -1;
        if (v != VARIANT_RECORD && !s->shape.known &&
            find_shape(d, type, type_no, &s->shape, e) < 0)
                return -1;
        if (!q->sql) {
                composed_deinit(q);
                if (compose_text(&k, q, e) < 0)
                        return -1;
        }
        if (prepare(d, &k, q, e) < 0)
                return -1;
        *ret = q;
        return 0;
}

int compose_all(struct composer *c, struct db *d, const struct task_type *type, int type_no,
                struct err *e)
{
        const struct composed *ignored;
        for (int v = 0; v < VARIANT_WORKER; v++)
                if (compose(c, d, type, type_no, (enum variant)v, &ignored, e) < 0)
                        return -1;
        struct slot *s = slot_of(c, type);
        if (!s)
                return err_oom(e);
        s->all = true;
        return 0;
}

bool composed_all(const struct composer *c, const struct task_type *type)
{
        for (size_t i = 0; i < c->n; i++)
                if (c->slots[i]->type == type)
                        return c->slots[i]->all;
        return false;
}

int compose_add_values(const struct composed *c, const struct run_values *values,
                       struct db_params *p, struct err *e)
{
        return sql_add_values(&c->guard, values, p, e) < 0
                       ? -1
                       : sql_add_values(&c->bound, values, p, e);
}
