/* SPDX-License-Identifier: Apache-2.0 */
/* The connection with its prepared statements, and the queries outside of a batch. */
#include "aggregator/store.h"

#include "aggregator_statements.h"

#include <stdlib.h>
#include <string.h>

#define STATEMENT(name) { #name, sql_##name }

/* Rows are written in the order of their keys, so that two aggregators wait for each other instead
 * of deadlocking. */
static const struct {
        const char *name, *sql;
} statements[] = {
        STATEMENT(aggregated_sequences),   STATEMENT(last_sequences),
        STATEMENT(owns_partition),         STATEMENT(backfill_sources),
        STATEMENT(backfill_outcomes),      STATEMENT(backfill_done),
        STATEMENT(move_positions),         STATEMENT(add_run_totals),
        STATEMENT(add_day_totals),         STATEMENT(add_recent_errors),
        STATEMENT(prune_recent_errors),    STATEMENT(save_sequences),
        STATEMENT(add_dead_letters),       STATEMENT(unpublished_dead_letters),
        STATEMENT(dead_letters_published),
};

int store_new(const struct store_limits *l, struct store **ret, struct err *e)
{
        struct store *s = calloc(1, sizeof *s);
        if (s)
                s->params = db_params_new(l->params_max);
        if (!s || !s->params) {
                store_free(s);
                return err_oom(e);
        }
        s->limits = *l;
        *ret = s;
        return 0;
}

void store_free(struct store *s)
{
        if (!s)
                return;
        store_detach(s);
        db_params_free(s->params);
        free(s);
}

void store_detach(struct store *s)
{
        db_free(TAKE(s->db));
}

struct db_params *store_params(struct store *s)
{
        db_params_reset(s->params);
        return s->params;
}

struct db *store_db(const struct store *s)
{
        return s->db;
}

int store_attach(struct store *s, struct db *d, struct err *e)
{
        store_detach(s);
        s->db = d;
        for (size_t i = 0; i < ARRAY_LEN(statements); i++)
                if (db_prepare(d, statements[i].name, statements[i].sql, e) < 0) {
                        store_detach(s);
                        return -1;
                }
        return 0;
}

/* ---- what the ledger knows ---- */

int store_load_sequences(struct store *s, const struct partition *list, size_t n, struct fold *f,
                         struct err *e)
{
        static const struct db_column source_no = DB_FIELD(DB_INT4, struct partition, at.source_no);
        struct db_rowset unclaimed = DB_ARRAY(list, n);
        struct db_params *p = store_params(s);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        for (size_t i = 0; i < n; i++)
                if (list[i].state == PARTITION_UNCLAIMED)
                        fold_forget(f, list[i].at.source_no);
        unclaimed.wanted = partition_is_unclaimed;
        db_add_columns(p, &unclaimed, &source_no, 1);
        if (db_run(s->db, "aggregated_sequences", p, &rows, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(rows); i++) {
                struct fold_sequence x = { (int32_t)db_int(rows, i, 0), (int32_t)db_int(rows, i, 2),
                                           db_span(rows, i, 1), db_int(rows, i, 3) };
                if (fold_load(f, &x, e) < 0)
                        return -1;
        }
        return 0;
}

int store_issued(struct store *s, const char *results, struct issued *ret, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        db_add_str(p, results);
        if (db_run(s->db, "last_sequences", p, &rows, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(rows); i++) {
                if (issued_set(ret, db_str(rows, i, 0), (int32_t)db_int(rows, i, 1),
                               db_int(rows, i, 2)) < 0)
                        return err_oom(e);
                ret->now = db_instant(rows, i, 3);
        }
        return 0;
}

int store_owns(struct store *s, const char *cluster, const char *topic, const char *owner,
               bool *ret, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_add_str(p, cluster);
        db_add_str(p, topic);
        db_add_str(p, owner);
        if (db_run(s->db, "owns_partition", p, &r, e) < 0)
                return -1;
        *ret = db_bool(r, 0, 0);
        return 0;
}

/* ---- backfill ---- */

int store_backfill_sources(struct store *s, const struct partition *x, const char *const *topics,
                           size_t n, struct db_result **ret, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_int4(p, x->at.source_no);
        db_add_strings(p, topics, n);
        return db_run(s->db, "backfill_sources", p, ret, e);
}

int store_backfill_outcomes(struct store *s, const char *sources, int64_t after, int64_t to,
                            struct db_result **ret, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_str(p, sources);
        db_add_int8(p, after);
        db_add_int8(p, to);
        return db_run(s->db, "backfill_outcomes", p, ret, e);
}

int store_backfill_done(struct store *s, const struct partition *x, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_int4(p, x->at.source_no);
        db_add_int8(p, x->at.epoch);
        return db_run(s->db, "backfill_done", p, NULL, e);
}

/* ---- dead letters ---- */

static int hex_value(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The bytes of a bytea as PostgreSQL prints it: \x and two digits for each. */
static bool read_bytea(struct arena *a, struct span text, struct span *ret)
{
        *ret = (struct span){ 0 };
        if (!text.ptr || text.len < 2)
                return true;
        size_t n = text.len / 2 - 1;
        char *bytes = arena_alloc(a, n + 1);
        if (!bytes)
                return false;
        for (size_t i = 0; i < n; i++)
                bytes[i] = (char)(hex_value(text.ptr[2 + 2 * i]) << 4 |
                                  hex_value(text.ptr[3 + 2 * i]));
        *ret = (struct span){ bytes, n };
        return true;
}

int store_unpublished(struct store *s, const struct partition *x, struct arena *a,
                      struct dead_letter_entry **ret, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        struct dead_letter_entry **end = ret;
        *ret = NULL;
        db_add_int4(p, x->at.source_no);
        db_add_int8(p, x->dead_letters_offset);
        db_add_int8(p, x->dead_letters_published);
        if (db_run(s->db, "unpublished_dead_letters", p, &rows, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(rows); i++) {
                struct dead_letter_entry *l = arena_alloc(a, sizeof *l);
                if (!l)
                        return err_oom(e);
                l->offset = db_int(rows, i, 0);
                l->sequence = db_int(rows, i, 1);
                l->reason = arena_span(a, db_span(rows, i, 2));
                if (!l->reason.ptr || !read_bytea(a, db_span(rows, i, 3), &l->key) ||
                    !read_bytea(a, db_span(rows, i, 4), &l->value))
                        return err_oom(e);
                *end = l;
                end = &l->next;
        }
        return 0;
}

int store_published(struct store *s, const struct partition *x, int64_t sequence, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_int4(p, x->at.source_no);
        db_add_int8(p, sequence);
        db_add_int8(p, x->at.epoch);
        return db_run(s->db, "dead_letters_published", p, NULL, e);
}
