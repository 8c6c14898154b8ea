/* The state of a closed run follows what becomes of its tasks afterwards: replays, drops, and the
 * follow-ups of these. */
#include "scheduler.h"

#include "base/log.h"
#include "decide.h"
#include "scheduler_statements.h"

#include <stdio.h>

enum { REASON_MAX = 300 };

/* Columns of a run that is looked at again. */
enum { RUN_NO, RUN_ID, PACK, JOB, STATE, PLANNED, DONE, FAILED, QUARANTINED, UNKNOWN, MATCHES };

static const char SET[] =
        "update rollcall.run set state = $2, reason = $3 where run_no = $1 and state in ('succeeded', 'completed with errors')";

static int forget(struct scheduler *s, int64_t run_no, struct err *e)
{
        db_params_reset(s->params);
        db_add_int8(s->params, run_no);
        return db_query(s->db, "delete from rollcall.recount where run_no = $1", s->params, NULL,
                        e);
}

static int set_state(struct scheduler *s, int64_t run_no, enum run_state state, const char *why,
                     struct err *e)
{
        db_params_reset(s->params);
        db_add_int8(s->params, run_no);
        db_add_str(s->params, run_state_name(state));
        db_add_str(s->params, why);
        return db_query(s->db, SET, s->params, NULL, e);
}

static int recount(struct scheduler *s, const struct db_result *r, int row, struct err *e)
{
        char why[REASON_MAX];
        enum run_state before;
        int64_t run_no = db_int(r, row, RUN_NO);
        const struct run_counts c = {
                .planned = db_int(r, row, PLANNED),
                .done = db_int(r, row, DONE),
                .failed = db_int(r, row, FAILED),
                .quarantined = db_int(r, row, QUARANTINED),
                .unknown = db_int(r, row, UNKNOWN),
                .digest_matches = db_bool(r, row, MATCHES),
        };
        if (run_state_parse(db_str(r, row, STATE), &before) < 0)
                return err_set(e, ERR_FATAL, "", "run %s: unknown state \"%s\"",
                               db_str(r, row, RUN_ID), db_str(r, row, STATE));
        bool counts = before == RUN_SUCCEEDED || before == RUN_COMPLETED_WITH_ERRORS;
        enum run_state now = counts ? decide_closing(&c, why, sizeof why) : before;
        if (counts && run_state_open(now))
                return 0; /* follow-ups of a replay are still to be done */
        if (db_exec(s->db, "begin", e) < 0)
                return -1;
        /* first: what is noted meanwhile is the next look's */
        if (forget(s, run_no, e) < 0 || (counts && set_state(s, run_no, now, why, e) < 0))
                return -1;
        int rc = scheduler_commit(s, e);
        if (rc != 0 || now == before)
                return rc;
        log_info("run's state follows its tasks",
                 RUN_Q " before=" LOG_Q " state=" LOG_Q " reason=" LOG_Q,
                 RUN_VALUES(run_no, db_str(r, row, RUN_ID), db_str(r, row, PACK),
                            db_str(r, row, JOB)),
                 run_state_name(before), run_state_name(now), why);
        return announce_changed(s, db_uuid(r, row, RUN_ID), e);
}

int recount_closed(struct scheduler *s, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(s->db, sql_recount_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                int rc = recount(s, r, i, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}
