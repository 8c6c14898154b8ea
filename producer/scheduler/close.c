#include "scheduler.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "decide.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <string.h>

enum { REASON_MAX = 300, PROGRESS_MS = 5000 };

int run_close(struct scheduler *s, int64_t run_no, enum run_state state, const char *reason,
              bool alert, struct err *e)
{
        db_params_reset(s->params);
        db_add_int8(s->params, run_no);
        db_add_str(s->params, run_state_name(state));
        db_add_str(s->params, reason);
        db_add_bool(s->params, alert);
        if (db_exec(s->db, "begin", e) < 0)
                return -1;
        if (db_query(s->db, sql_close_run, s->params, NULL, e) < 0)
                return -1;
        FAILPOINT("close.uncommitted");
        return scheduler_commit(s, e);
}

void log_closed(const struct run_name *n, enum run_state state, const char *reason)
{
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(n->run_id, id);
        log_write(run_state_well(state) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "run closed",
                  RUN_Q " state=" LOG_Q " reason=" LOG_Q,
                  RUN_VALUES(n->run_no, id, n->pack, n->job), run_state_name(state), reason);
}

/* ---- complete runs ---- */

/* Columns of a published run's progress. */
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

static void log_counts(const struct db_result *r, int row, enum run_state state, const char *why)
{
        log_write(
                run_state_well(state) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "run closed",
                RUN_Q
                " state=" LOG_Q
                " dry_run=%s planned=%lld applied=%lld skipped=%lld failed=%lld quarantined=%lld unknown=%lld follow_ups=%lld "
                "seconds=%s reason=" LOG_Q,
                RUN_VALUES(db_int(r, row, RUN_NO), db_str(r, row, RUN_ID), db_str(r, row, PACK),
                           db_str(r, row, JOB)),
                run_state_name(state), db_bool(r, row, DRY_RUN) ? "true" : "false",
                (long long)db_int(r, row, PLANNED), (long long)db_int(r, row, APPLIED),
                (long long)db_int(r, row, SKIPPED), (long long)db_int(r, row, FAILED),
                (long long)db_int(r, row, QUARANTINED), (long long)db_int(r, row, UNKNOWN),
                (long long)db_int(r, row, SPAWNED), db_str(r, row, SECONDS), why);
}

/* Is each failure of the run, by type, subject and reason, one that the job's run before had, too?
 * Who has to know knows. */
static int failures_known(struct scheduler *s, int64_t run_no, bool *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(s->params);
        db_add_int8(s->params, run_no);
        if (db_query(s->db, sql_failures_known, s->params, &r, e) < 0)
                return -1;
        *ret = db_bool(r, 0, 0);
        return 0;
}

static const struct job *job_of(const struct scheduler *s, const char *pack, const char *job)
{
        char name[300];
        snprintf(name, sizeof name, "%s.%s", pack, job);
        return packs_job(s->packs, name);
}

static int close_run(struct scheduler *s, const struct db_result *r, int row, struct err *e)
{
        char why[REASON_MAX];
        struct run_counts c = {
                .planned = db_int(r, row, PLANNED),
                .done = db_int(r, row, DONE),
                .failed = db_int(r, row, FAILED),
                .quarantined = db_int(r, row, QUARANTINED),
                .unknown = db_int(r, row, UNKNOWN),
                .digest_matches = db_bool(r, row, MATCHES),
        };
        enum run_state state = decide_closing(&c, why, sizeof why);
        if (run_state_open(state))
                return 0;
        const struct job *j = job_of(s, db_str(r, row, PACK), db_str(r, row, JOB));
        bool known = false, alert = decide_alert(j, state, &c);
        if (alert && state == RUN_COMPLETED_WITH_ERRORS &&
            failures_known(s, db_int(r, row, RUN_NO), &known, e) < 0)
                return -1;
        if (known) {
                size_t len = strlen(why);
                snprintf(why + len, sizeof why - len, ", all as in the run before");
        }
        int rc = run_close(s, db_int(r, row, RUN_NO), state, why, alert && !known, e);
        if (rc == 0)
                log_counts(r, row, state, why);
        return rc;
}

/* ---- runs out of time ---- */

static int cancel_late(struct scheduler *s, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(s->db, sql_late_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                char why[100], name[300];
                struct run_name n = { db_int(r, i, 0), db_uuid(r, i, 1), db_str(r, i, 2),
                                      db_str(r, i, 3) };
                snprintf(name, sizeof name, "%s.%s", n.pack, n.job);
                const struct job *j = packs_job(s->packs, name);
                if (j)
                        snprintf(why, sizeof why, "time limit of %lld s",
                                 (long long)(j->time_limit_ms / 1000));
                else
                        snprintf(why, sizeof why, "time limit");
                int rc = run_close(s, n.run_no, RUN_CANCELLED, why, true, e);
                if (rc != 0)
                        return rc;
                log_closed(&n, RUN_CANCELLED, why);
        }
        return 0;
}

int close_note_progress(struct scheduler *s, struct err *e)
{
        if (monotonic_ms() < s->progress_ms)
                return 0;
        s->progress_ms = monotonic_ms() + PROGRESS_MS;
        return db_query(s->db, sql_note_progress, NULL, NULL, e);
}

int close_complete(struct scheduler *s, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(s->db, sql_published_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                int rc = close_run(s, r, i, e);
                if (rc != 0)
                        return rc;
        }
        return cancel_late(s, e);
}
