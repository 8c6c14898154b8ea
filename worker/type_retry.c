/* SPDX-License-Identifier: Apache-2.0 */
/* A paused type's statement is retried by one worker when its time has come. */
#include "type_retry.h"

#include "base/log.h"
#include "bisect.h"
#include "decode.h"
#include "worker_statements.h"

#include <string.h>

static int claim_try(struct lane_worker *w, int type_no, struct db_result **ret, struct err *e)
{
        struct db_params *q = w->transactor.params;
        db_params_reset(q);
        db_add_int4(q, type_no);
        db_add_int8(q, w->o->service->retry.pause_base_ms);
        db_add_int8(q, w->o->service->retry.pause_max_ms);
        return db_query(w->db, sql_paused_type_try, q, ret, e);
}

/* The tasks that failed, as the batch's entries; those that would not be given to the statement any
 * more are left out. */
static int read_samples(struct lane_worker *w, const struct db_result *r, struct err *e)
{
        struct batch *b = &w->batch;
        batch_reset(b);
        struct span rest = db_span(r, 0, 0);
        b->entries = arena_alloc(b->arena, PAUSE_SAMPLES * sizeof *b->entries);
        if (!b->entries)
                return err_oom(e);
        while (rest.len && b->n < PAUSE_SAMPLES) {
                struct entry *en = &b->entries[b->n++];
                *en = (struct entry){ .offset = (int64_t)b->n };
                size_t len = strcspn(rest.ptr, ",");
                if (recover_from_hex(b->arena, (struct span){ rest.ptr, len }, &en->value) < 0)
                        return err_oom(e);
                if (decode_entry(w, en, monotonic_ms(), e) < 0)
                        return -1;
                size_t skip = len < rest.len ? len + 1 : len;
                rest = (struct span){ rest.ptr + skip, rest.len - skip };
        }
        return batch_group(b, ENTRY_READY, e);
}

/* The statement without any task; then, if such tasks have failed, each of them: one that succeeds
 * is enough. 0 it works; 1 it does not: `why`. */
static int try_statement(struct lane_worker *w, const struct task_type *t, int type_no,
                         struct err *why, struct err *e)
{
        struct transactor *x = &w->transactor;
        struct statement_group none = { .type = t, .type_no = type_no };
        if (compose_all(x->composer, w->db, t, type_no, why) < 0) {
                *e = *why;
                return db_alive(w->db) && !db_server_state(why) ? 1 : -1;
        }
        x->at = instant_now();
        if (db_exec(w->db, "begin", e) < 0)
                return -1;
        int rc = bisect_probe(x, &none, NULL, 0, why, e);
        bool worked = w->batch.n_groups == 0;
        for (size_t i = 0; rc == 0 && !worked && i < w->batch.n_groups; i++)
                for (size_t k = 0; !worked && k < w->batch.groups[i].n; k++) {
                        int one = bisect_probe(x, &w->batch.groups[i], &w->batch.groups[i].list[k],
                                               1, why, e);
                        if (one < 0)
                                return -1;
                        worked = one == 0;
                }
        if (rc < 0 || db_exec(w->db, "rollback", e) < 0)
                return -1;
        return rc == 0 && worked ? 0 : 1;
}

static int note_try(struct lane_worker *w, const struct task_type *t, int type_no,
                    const struct err *why, struct err *e)
{
        struct db_params *q = w->transactor.params;
        db_params_reset(q);
        db_add_int4(q, type_no);
        if (why) {
                db_add_str(q, why->text);
                db_add_str(q, why->code);
        }
        if (db_query(w->db, why ? sql_paused_type_failed : sql_paused_type_resume, q, NULL, e) < 0)
                return -1;
        if (why)
                log_warn("task type still paused", "type=%s sqlstate=%s reason=" LOG_Q,
                         t->full_name, *why->code ? why->code : "none", why->text);
        else
                log_info("task type resumed", "type=%s by=rollcall", t->full_name);
        return 0;
}

static int try_type(struct lane_worker *w, const struct task_type *t, int type_no, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct err why = ERR_INIT;
        if (claim_try(w, type_no, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        int rc = read_samples(w, r, e);
        if (rc == 0)
                rc = try_statement(w, t, type_no, &why, e);
        batch_reset(&w->batch);
        return rc < 0 ? -1 : note_try(w, t, type_no, rc ? &why : NULL, e);
}

int type_retry_due(struct lane_worker *w, struct err *e)
{
        const struct pauses *all = &w->transactor.pauses;
        for (size_t i = 0; w->partitions.n && i < all->n; i++) {
                const struct task_type *t = all->list[i].due
                                                    ? type_by_number(w->types, all->list[i].type_no)
                                                    : NULL;
                if (t && t->lane == w->o->lane && try_type(w, t, all->list[i].type_no, e) < 0)
                        return -1;
        }
        return 0;
}
