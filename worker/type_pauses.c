/* SPDX-License-Identifier: Apache-2.0 */
/* What the transactions of a batch know, find and write about paused types. */
#include "type_pauses.h"

#include "base/log.h"
#include "worker_statements.h"

#include <string.h>

/* What has been sent already stays in the group: it is still to be recorded. */
static void pass_group(struct statement_group *g)
{
        size_t kept = 0;
        for (size_t i = 0; i < g->n; i++)
                if (g->list[i]->state == ENTRY_READY || g->list[i]->state == ENTRY_PENDING)
                        entry_pass(g->list[i]);
                else
                        g->list[kept++] = g->list[i];
        g->n = kept;
}

void type_pauses_end_group(struct transactor *t, struct batch *b, size_t group, bool first_tries)
{
        const struct statement_group *g = &b->groups[group];
        bool all_failed = first_tries && t->part.failed && !t->part.done && !t->part.mixed;
        if (t->part.done || (first_tries && t->part.mixed))
                pauses_forget(&t->pauses, g->type_no);
        if (all_failed && pauses_count(&t->pauses, g->type_no, t->part.code, t->part.failed)) {
                struct err why = ERR_INIT;
                err_set(&why, ERR_INPUT, t->part.code, "%.*s", SPAN_FMT(g->list[0]->reason));
                (void)pauses_add(&t->pauses, g->type, g->type_no, &why, g->list, g->n);
        }
        for (size_t i = group + 1; t->pauses.n_fresh && i < b->n_groups; i++)
                if (pauses_has(&t->pauses, b->groups[i].type_no))
                        pass_group(&b->groups[i]);
}

int type_pauses_ready(struct transactor *t, struct batch *b, struct err *e)
{
        for (size_t i = 0; i < b->n_groups; i++) {
                struct statement_group *g = &b->groups[i];
                if (g->n && !pauses_has(&t->pauses, g->type_no) &&
                    !composed_all(t->composer, g->type) &&
                    compose_all(t->composer, t->db, g->type, g->type_no, e) < 0) {
                        if (db_server_state(e) || err_is_oom(e) || !db_alive(t->db) ||
                            !pauses_add(&t->pauses, g->type, g->type_no, e, NULL, 0))
                                return -1;
                }
                if (pauses_has(&t->pauses, g->type_no))
                        pass_group(g);
        }
        return 0;
}

static int write_pause(struct transactor *t, struct new_pause *f, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct db_params *p = t->params;
        db_params_reset(p);
        db_add_int4(p, f->type_no);
        db_add_str(p, f->why.text);
        db_add_str(p, f->why.code);
        db_add_str(p, t->owner);
        db_array_begin(p, DB_BYTEA, f->n_samples);
        for (size_t i = 0; i < f->n_samples; i++)
                db_element_text(p, f->samples[i]);
        db_array_end(p);
        db_add_int8(p, t->pause_base_ms);
        db_add_int8(p, t->pause_max_ms);
        if (db_query(t->db, "select rollcall.pause_type($1::int::smallint, $2, $3, $4, $5, $6, $7)",
                     p, &r, e) < 0)
                return -1;
        f->written = db_bool(r, 0, 0);
        return 0;
}

/* The types of which tasks are passed over, as the table had them: they must not be resumed before
 * this transaction has ended, because what is published again then would have been published too
 * early for what is passed over here. */
static int still_paused(struct transactor *t, const struct batch *b, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int types[PAUSES_MAX];
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++) {
                const struct entry *en = &b->entries[i];
                bool known = en->state != ENTRY_PASSED;
                for (size_t k = 0; !known && k < n; k++)
                        known = types[k] == en->type_no;
                if (!known && n < PAUSES_MAX)
                        types[n++] = en->type_no;
        }
        if (n == 0)
                return 0;
        db_params_reset(t->params);
        db_array_begin(t->params, DB_INT4, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(t->params, types[i]);
        db_array_end(t->params);
        if (db_query(t->db, sql_paused_types_lock, t->params, &r, e) < 0)
                return -1;
        return (size_t)db_rows(r) == n
                       ? 0
                       : err_set(e, ERR_RETRY, "",
                                 "a task type was resumed meanwhile; the batch is taken again");
}

int type_pauses_write(struct transactor *t, struct batch *b, struct err *e)
{
        for (size_t i = 0; i < t->pauses.n_fresh; i++)
                if (write_pause(t, &t->pauses.fresh[i], e) < 0)
                        return -1;
        return b ? still_paused(t, b, e) : 0;
}

int type_pauses_read(struct transactor *t, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(t->db, sql_paused_types, NULL, &r, e) < 0)
                return -1;
        pauses_read(&t->pauses, db_str(r, 0, 0));
        return 0;
}

void type_pauses_log_committed(struct transactor *t, enum lane lane)
{
        struct pauses *all = &t->pauses;
        for (size_t i = 0; i < all->n_fresh; i++)
                if (all->fresh[i].written)
                        log_error("task type paused", "type=%s lane=%s sqlstate=%s reason=" LOG_Q,
                                  all->fresh[i].type->full_name, lane_name(lane),
                                  *all->fresh[i].why.code ? all->fresh[i].why.code : "none",
                                  all->fresh[i].why.text);
        pauses_committed(all);
}
