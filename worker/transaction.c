/* SPDX-License-Identifier: Apache-2.0 */
/* How the transactions of a batch begin and end. */
#include "transaction.h"

#include "base/failpoint.h"
#include "batch_rows.h"
#include "follow_up.h"
#include "progress.h"
#include "worker_statements.h"

int transaction_prepare(struct transactor *t, struct err *e)
{
        return db_prepare(t->db, "position_move", sql_position_move, e) < 0 ||
                               db_prepare(t->db, "progress_add", sql_progress_add, e) < 0 ||
                               db_prepare(t->db, "outcome_batch_add", sql_outcome_batch_add, e) < 0
                       ? -1
                       : 0;
}

/* ---- decide: the whole transaction ---- */

int transaction_queue_begin(struct transactor *t, size_t *ret_rows, struct err *e)
{
        if (db_pipeline_query(t->db, "begin", NULL, e) < 0)
                return -1;
        /* a deferred constraint must fail with its own statement, not at the commit of everybody's
         * work */
        if (db_pipeline_query(t->db, "set constraints all immediate", NULL, e) < 0)
                return -1;
        db_params_reset(t->params);
        *ret_rows = lane_partitions_move_params(t->partitions, t->params);
        return db_pipeline_run(t->db, "position_move", t->params, e);
}

int transaction_collect_begin(struct transactor *t, size_t rows, bool *ret_fenced, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        for (int i = 0; i < 3; i++) /* begin, set constraints, the positions */
                if (db_pipeline_result(t->db, i == 2 ? &r : NULL, e) < 0)
                        return -1;
        *ret_fenced = (size_t)db_rows(r) != rows;
        if (db_rows(r) > 0)
                t->at = db_instant(r, 0, 0);
        return 0;
}

int transaction_queue_runs(struct transactor *t, const struct batch *b, bool *ret_locked,
                           struct err *e)
{
        size_t n = 0;
        int64_t *runs = arena_alloc(b->arena, (b->n + 1) * sizeof *runs);
        if (!runs)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++) {
                const struct entry *en = &b->entries[i];
                bool known = !en->by_plan;
                for (size_t k = n; !known && k-- > 0;)
                        known = runs[k] == en->run->run_no;
                if (!known)
                        runs[n++] = en->run->run_no;
        }
        *ret_locked = n > 0;
        if (n == 0)
                return 0;
        db_params_reset(t->params);
        db_array_begin(t->params, DB_INT8, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(t->params, runs[i]);
        db_array_end(t->params);
        return db_pipeline_query(t->db, "select rollcall.lock_runs($1)", t->params, e);
}

int transaction_collect_runs(struct transactor *t, int64_t *ret_run_no, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_pipeline_result(t->db, &r, e) < 0)
                return -1;
        *ret_run_no = db_rows(r) ? db_int(r, 0, 0) : 0;
        return 0;
}

/* ---- the whole transactions ---- */

int transaction_begin(struct transactor *t, bool *ret_fenced, struct err *e)
{
        size_t rows = 0;
        if (transaction_prepare(t, e) < 0 || db_pipeline_begin(t->db, e) < 0)
                return -1;
        if (transaction_queue_begin(t, &rows, e) < 0 || db_pipeline_sync(t->db, e) < 0 ||
            transaction_collect_begin(t, rows, ret_fenced, e) < 0)
                return -1;
        return db_pipeline_finish_sync(t->db, e) < 0 ? -1 : db_pipeline_end(t->db, e);
}

/* ---- ends ---- */

int transaction_commit(struct transactor *t, struct batch *b, struct err *e)
{
        struct progress progress = { 0 };
        size_t batch_rows = 0;
        if (follow_up_claim_shared(t->db, t->params, b, e) < 0 ||
            progress_note_recounts(t->db, t->params, b, e) < 0)
                return -1;
        for (size_t i = 0; i < b->n; i++)
                if (progress_take(&progress, &b->entries[i], b->arena) < 0)
                        return err_oom(e);
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DONE &&
                    progress_add(&progress, &b->entries[i], b->arena) < 0)
                        return err_oom(e);
        if (db_pipeline_begin(t->db, e) < 0 ||
            batch_rows_queue(t->db, t->params, t->partitions, b, &batch_rows, e) < 0)
                return -1;
        if (progress.n) {
                db_params_reset(t->params);
                progress_params(&progress, t->partitions, t->params);
                if (db_pipeline_run(t->db, "progress_add", t->params, e) < 0)
                        return -1;
        }
        size_t follow_ups = follow_up_requests(b);
        if (follow_ups) {
                follow_up_request_params(b, follow_ups, t->params);
                if (db_pipeline_query(t->db, sql_follow_ups_request, t->params, e) < 0)
                        return -1;
        }
        if (db_pipeline_query(t->db, "commit", NULL, e) < 0 || db_pipeline_sync(t->db, e) < 0)
                return -1;
        for (size_t i = 0; i < batch_rows; i++)
                if (db_pipeline_result(t->db, NULL, e) < 0)
                        return -1;
        if (progress.n && db_pipeline_result(t->db, NULL, e) < 0)
                return -1;
        if (follow_ups && db_pipeline_result(t->db, NULL, e) < 0)
                return -1;
        if (db_pipeline_result(t->db, NULL, e) < 0 || db_pipeline_finish_sync(t->db, e) < 0 ||
            db_pipeline_end(t->db, e) < 0)
                return -1;
        lane_partitions_moved(t->partitions);
        t->conflicts = 0;
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DONE || b->entries[i].state == ENTRY_DEAD)
                        b->entries[i].at = t->at;
        return 0;
}

int transaction_roll_back_fenced(struct transactor *t, struct err *e)
{
        return db_exec(t->db, "rollback", e) < 0 ? -1 : TRANSACTION_FENCED;
}

int transaction_roll_back_failed(struct transactor *t, struct err *e)
{
        if (!batch_is_too_large(e) || !db_alive(t->db))
                return -1;
        return db_exec(t->db, "rollback", e) < 0 ? -1 : TRANSACTION_TOO_LARGE;
}

int transaction_checkpoint(struct transactor *t, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (transaction_prepare(t, e) < 0)
                return -1;
        db_params_reset(t->params);
        size_t rows = lane_partitions_move_params(t->partitions, t->params);
        if (rows == 0)
                return 0;
        FAILPOINT("positions.unwritten");
        if (db_run(t->db, "position_move", t->params, &r, e) < 0)
                return -1;
        if ((size_t)db_rows(r) != rows)
                return TRANSACTION_FENCED;
        FAILPOINT("positions.written");
        lane_partitions_moved(t->partitions);
        return 0;
}
