/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the tasks of a closed run afterwards (replays, discards, the follow-ups of these)
 * changes its counts. */
#include "recount.h"

#include "announce.h"
#include "base/log.h"
#include "decide.h"
#include "run_close.h"
#include "scheduler_statements.h"

#include <stdio.h>

enum { REASON_MAX = 300 };

/* Columns of sql_recount_runs. */
enum { RUN_NO, RUN_ID, PACK, JOB, STATE, PLANNED, DONE, FAILED, QUARANTINED, UNKNOWN, MATCHES };

static int forget(struct context *c, int64_t run_no, struct err *e)
{
        db_params_reset(c->params);
        db_add_int8(c->params, run_no);
        return db_query(c->db, "delete from rollcall.recount where run_no = $1", c->params, NULL,
                        e);
}

static int set_state(struct context *c, int64_t run_no, enum run_state state, const char *why,
                     struct err *e)
{
        db_params_reset(c->params);
        db_add_int8(c->params, run_no);
        db_add_str(c->params, run_state_name(state));
        db_add_str(c->params, why);
        return db_query(c->db, sql_recount_state, c->params, NULL, e);
}

static int recount(struct context *c, const struct db_result *r, int row, struct err *e)
{
        char why[REASON_MAX];
        enum run_state before;
        int64_t run_no = db_int(r, row, RUN_NO);
        const struct run_counts counts = {
                .planned = db_int(r, row, PLANNED),
                .done = db_int(r, row, DONE),
                .failed = db_int(r, row, FAILED),
                .quarantined = db_int(r, row, QUARANTINED),
                .unknown = db_int(r, row, UNKNOWN),
                .digest_matches = db_bool(r, row, MATCHES),
        };
        if (!run_state_parse(db_str(r, row, STATE), &before))
                return err_set(e, ERR_FATAL, "", "run %s: unknown state \"%s\"",
                               db_str(r, row, RUN_ID), db_str(r, row, STATE));
        bool counted = before == RUN_SUCCEEDED || before == RUN_COMPLETED_WITH_ERRORS;
        enum run_state now = counted ? decide_closing(&counts, why, sizeof why) : before;
        if (counted && run_state_open(now))
                return 0; /* follow-ups of a replay are still to be done */
        if (db_exec(c->db, "begin", e) < 0)
                return -1;
        /* first: a change that is recorded meanwhile is for the next time */
        if (forget(c, run_no, e) < 0 || (counted && set_state(c, run_no, now, why, e) < 0))
                return -1;
        int rc = lease_commit(&c->lease, c->db, e);
        if (rc != 0 || now == before)
                return rc;
        log_info("state of closed run changed",
                 RUN_Q " before=" LOG_Q " state=" LOG_Q " reason=" LOG_Q,
                 RUN_VALUES(run_no, db_str(r, row, RUN_ID), db_str(r, row, PACK),
                            db_str(r, row, JOB)),
                 run_state_name(before), run_state_name(now), why);
        return announce_changed(c, db_uuid(r, row, RUN_ID), e);
}

int recount_closed(struct context *c, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(c->db, sql_recount_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                int rc = recount(c, r, i, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}
