/* SPDX-License-Identifier: Apache-2.0 */
/* A pass checks all published requests, page by page; passes that settle nothing become rarer. */
#include "request_settle.h"

#include "request_state.h"
#include "scheduler_statements.h"

enum {
        PAUSE_MS = 1000,
        PAUSE_MAX_MS = 60000,
        TIME_SHARE = 20, /* a pass takes a twentieth of the time at most */
        PAGE_TASKS = 20000,
};

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
        return value < least ? least : value > most ? most : value;
}

/* The pass is over: when the next one begins. */
static void plan_next_pass(struct requests *q)
{
        int64_t pause = q->settling.pause_ms, share = q->settling.took_ms * TIME_SHARE;
        pause = clamp(pause < share ? share : pause, PAUSE_MS, PAUSE_MAX_MS);
        q->settling.took_ms = 0;
        q->settling.due_ms = monotonic_ms() + pause;
        q->settling.pause_ms = clamp(pause * 2, 0, PAUSE_MAX_MS);
}

int request_settle(struct requests *q, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (q->n_tracked > 0 || monotonic_ms() < q->settling.due_ms)
                return 0;
        db_params_reset(q->params);
        db_add_int8(q->params, q->settling.checked);
        db_add_int8(q->params, PAGE_TASKS);
        int64_t began = monotonic_ms();
        if (db_query(q->c->db, sql_settle_requests, q->params, &r, e) < 0)
                return -1;
        q->settling.took_ms += monotonic_ms() - began;
        q->settling.checked = db_int(r, 0, 0);
        if (db_int(r, 0, 1))
                q->settling.pause_ms = 0;
        if (!q->settling.checked)
                plan_next_pass(q);
        return 0;
}
