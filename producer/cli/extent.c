/* SPDX-License-Identifier: Apache-2.0 */
/* How many subjects a run would plan, counted by the job's own statements. */
#include "extent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_MAX = 2 * 1024 * 1024, PARAMS_MAX = 1024 * 1024, COUNT_TEXT_MAX = 24 };

/* The file's statement between two texts, with the values of its names. */
static int query_named(struct cli *c, const struct sql_file *f, const char *before,
                       const char *after, const struct run_values *v, struct db_result **ret)
{
        struct bound_sql b CLEANUP(bound_sql_deinit) = { 0 };
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        BUF_CLEANUP struct buf sql;
        struct err e = ERR_INIT;
        buf_init(&sql, SQL_MAX);
        if (!p)
                return cli_oom();
        if (sql_bind(f, v->pack, NULL, 0, 1, &b, &e) < 0 || sql_add_values(&b, v, p, &e) < 0)
                return cli_fail(CODE_CONFIG, &e);
        size_t len = strlen(b.text);
        while (len && strchr("; \t\r\n", b.text[len - 1]))
                len--;
        buf_adds(&sql, before);
        buf_add(&sql, b.text, len);
        buf_adds(&sql, after);
        if (sql.failed)
                return cli_oom();
        if (db_query(c->db, buf_str(&sql), p, ret, &e) < 0) {
                err_prefix(&e, "%s", f->path);
                return cli_db_fail(&e);
        }
        return 0;
}

/* Somebody who is named twice is one task, as the plan has it. */
static int count_due(struct cli *c, const struct task_type *t, const struct run_values *v,
                     int64_t *ret)
{
        struct db_result *columns CLEANUP(db_result_cleanup) = NULL,
                                  *r CLEANUP(db_result_cleanup) = NULL;
        int rc = query_named(c, &t->due, "select * from (", "\n) due limit 0", v, &columns);
        if (rc)
                return rc;
        bool items = db_column(columns, "item") >= 0;
        rc = query_named(c, &t->due,
                         items ? "select count(*) from (select distinct subject, item from ("
                               : "select count(*) from (select distinct subject from (",
                         "\n) due) counted", v, &r);
        if (rc == 0)
                *ret = db_int(r, 0, 0);
        return rc;
}

static int count_population(struct cli *c, const struct job *j, const struct run_values *v,
                            int64_t *ret)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        *ret = -1;
        if (!j->population.text)
                return 0;
        int rc = query_named(c, &j->population, "", "", v, &r);
        if (rc)
                return rc;
        if (db_rows(r) != 1 || db_columns(r) != 1 || db_null(r, 0, 0))
                return cli_error(CODE_CONFIG, "%s: one row with one number was expected",
                                 j->population.path);
        *ret = strtoll(db_str(r, 0, 0), NULL, 10);
        return 0;
}

static int count_all(struct cli *c, const struct job *j, const struct run_values *v,
                     struct arena *memory, struct extent *x)
{
        for (size_t i = 0; i < j->n_tasks; i++) {
                const struct task_type *t = j->tasks[i].type;
                if (j->tasks[i].dry_run)
                        continue;
                struct extent_kind *k = &x->kinds[x->n];
                struct setting_value *expect = &x->expect[x->n++];
                *k = (struct extent_kind){ t, t->scope == SCOPE_RUN, 1 };
                int rc = k->once ? 0 : count_due(c, t, v, &k->count);
                if (rc)
                        return rc;
                char *text = arena_alloc(memory, COUNT_TEXT_MAX);
                if (!text)
                        return cli_oom();
                snprintf(text, COUNT_TEXT_MAX, "%" PRId64, k->count);
                *expect = (struct setting_value){ t->full_name, text };
        }
        return count_population(c, j, v, &x->population);
}

int extent_count(struct cli *c, const struct job *j, const struct run_values *v,
                 struct arena *memory, struct extent *ret)
{
        struct err e = ERR_INIT;
        *ret = (struct extent){
                .kinds = arena_alloc(memory, (j->n_tasks + 1) * sizeof *ret->kinds),
                .expect = arena_alloc(memory, (j->n_tasks + 1) * sizeof *ret->expect),
        };
        if (!ret->kinds || !ret->expect)
                return cli_oom();
        if (db_exec(c->db, "begin isolation level repeatable read read only", &e) < 0 ||
            pack_search_path(c->db, j->pack, true, &e) < 0)
                return cli_db_fail(&e);
        int rc = count_all(c, j, v, memory, ret);
        if (db_exec(c->db, "rollback", &e) < 0 && rc == 0)
                rc = cli_db_fail(&e);
        return rc;
}

void number_format(int64_t n, char text[32])
{
        char digits[24];
        int len = snprintf(digits, sizeof digits, "%" PRId64, n);
        char *out = text;
        for (int i = 0; i < len; i++) {
                if (i && digits[i - 1] != '-' && (len - i) % 3 == 0)
                        *out++ = ',';
                *out++ = digits[i];
        }
        *out = '\0';
}

void extent_print(const struct extent *x)
{
        char count[32], population[32];
        for (size_t i = 0; i < x->n; i++) {
                const struct extent_kind *k = &x->kinds[i];
                number_format(k->count, count);
                number_format(x->population, population);
                if (k->once)
                        fprintf(stderr,
                                "  %s: once; how many rows it touches is not known in advance\n",
                                k->type->full_name);
                else if (x->population < 0)
                        fprintf(stderr, "  %s: %s\n", k->type->full_name, count);
                else
                        fprintf(stderr, "  %s: %s of %s (%.1f %%)\n", k->type->full_name, count,
                                population,
                                x->population ? (double)k->count * 100 / (double)x->population
                                              : 0.0);
        }
}
