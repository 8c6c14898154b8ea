/* SPDX-License-Identifier: Apache-2.0 */
/* A published run is complete when every planned and every follow-up task has its outcome. */
#include "closing.h"

#include "decide.h"
#include "run_close.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <string.h>

enum { REASON_MAX = 300, PROGRESS_MS = 5000 };

/* Columns of sql_published_runs. */
enum {
        RUN_NO,
        RUN_ID,
        PACK,
        JOB,
        DRY_RUN,
        PLANNED,
        APPLIED,
        SKIPPED,
        FAILED,
        QUARANTINED,
        UNKNOWN,
        SPAWNED,
        DONE,
        MATCHES,
        SECONDS
};

static struct run_name name_at(const struct db_result *r, int row)
{
        return (struct run_name){ db_int(r, row, RUN_NO), db_uuid(r, row, RUN_ID),
                                  db_str(r, row, PACK), db_str(r, row, JOB) };
}

static struct run_totals totals_at(const struct db_result *r, int row)
{
        return (struct run_totals){
                .dry_run = db_bool(r, row, DRY_RUN),
                .planned = db_int(r, row, PLANNED),
                .applied = db_int(r, row, APPLIED),
                .skipped = db_int(r, row, SKIPPED),
                .failed = db_int(r, row, FAILED),
                .quarantined = db_int(r, row, QUARANTINED),
                .unknown = db_int(r, row, UNKNOWN),
                .follow_ups = db_int(r, row, SPAWNED),
                .seconds = db_str(r, row, SECONDS),
        };
}

/* Is each failure of the run, by type, subject and reason, one that the job's run before had, too?
 * Then it has been reported. */
static int failures_known(struct context *c, int64_t run_no, bool *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(c->params);
        db_add_int8(c->params, run_no);
        if (db_query(c->db, sql_failures_known, c->params, &r, e) < 0)
                return -1;
        *ret = db_bool(r, 0, 0);
        return 0;
}

static const struct job *find_job(const struct context *c, const char *pack, const char *job)
{
        char name[300];
        snprintf(name, sizeof name, "%s.%s", pack, job);
        return packs_job(c->packs, name);
}

static int close_if_complete(struct context *c, const struct db_result *r, int row, struct err *e)
{
        char why[REASON_MAX];
        const struct run_name n = name_at(r, row);
        const struct run_totals totals = totals_at(r, row);
        const struct run_counts counts = {
                .planned = totals.planned,
                .done = db_int(r, row, DONE),
                .failed = totals.failed,
                .quarantined = totals.quarantined,
                .unknown = totals.unknown,
                .digest_matches = db_bool(r, row, MATCHES),
        };
        enum run_state state = decide_closing(&counts, why, sizeof why);
        if (run_state_open(state))
                return 0;
        bool known = false, alert = decide_alert(find_job(c, n.pack, n.job), state, &counts);
        if (alert && state == RUN_COMPLETED_WITH_ERRORS &&
            failures_known(c, n.run_no, &known, e) < 0)
                return -1;
        if (known) {
                size_t len = strlen(why);
                snprintf(why + len, sizeof why - len, ", all as in the run before");
        }
        const struct run_end end = {
                .state = state, .reason = why, .alert = alert && !known, .totals = &totals
        };
        return run_close(c, &n, &end, e);
}

static int cancel_late(struct context *c, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(c->db, sql_late_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                char why[100] = "time limit";
                const struct run_name n = name_at(r, i);
                const struct job *j = find_job(c, n.pack, n.job);
                if (j)
                        snprintf(why, sizeof why, "time limit of %lld s",
                                 (long long)(j->time_limit_ms / 1000));
                const struct run_end end = { .state = RUN_CANCELLED, .reason = why, .alert = true };
                int rc = run_close(c, &n, &end, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

int closing_complete(struct context *c, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(c->db, sql_published_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                int rc = close_if_complete(c, r, i, e);
                if (rc != 0)
                        return rc;
        }
        return cancel_late(c, e);
}

int closing_store_progress(struct context *c, int64_t *due_ms, struct err *e)
{
        if (monotonic_ms() < *due_ms)
                return 0;
        *due_ms = monotonic_ms() + PROGRESS_MS;
        return db_query(c->db, sql_store_progress, NULL, NULL, e);
}
