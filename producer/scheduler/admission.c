/* SPDX-License-Identifier: Apache-2.0 */
/* A requested run waits in its table until the guards let it start. Then a thread plans it; a run
 * that cannot be planned is closed, and the others continue. */
#include "admission.h"

#include "announce.h"
#include "base/log.h"
#include "decide.h"
#include "planner.h"
#include "run_close.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLANNERS_MAX = 4, RETRIES_MAX = 32, RETRY_MS = 1000, REASON_MAX = 500, ASK_MS = 500 };

struct retry { /* a run whose planning met an error that may pass */
        int64_t run_no, at_ms;
};

struct admission {
        struct context *c;
        struct planner *planners[PLANNERS_MAX]; /* NULL: free */
        struct retry retries[RETRIES_MAX];
};

int admission_new(struct context *c, struct admission **ret, struct err *e)
{
        struct admission *a = calloc(1, sizeof *a);
        if (!a)
                return err_oom(e);
        a->c = c;
        *ret = a;
        return 0;
}

void admission_free(struct admission *a)
{
        if (!a)
                return;
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                planner_free(a->planners[i]);
        free(a);
}

/* ---- the planners ---- */

static struct planner **find_planner(struct admission *a, int64_t run_no)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (a->planners[i] && planner_run(a->planners[i])->run_no == run_no)
                        return &a->planners[i];
        return NULL;
}

static struct planner **find_free_planner(struct admission *a)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (!a->planners[i])
                        return &a->planners[i];
        return NULL;
}

bool admission_plans(const struct admission *a, int64_t run_no)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (a->planners[i] && planner_run(a->planners[i])->run_no == run_no)
                        return true;
        return false;
}

bool admission_busy(const struct admission *a)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (a->planners[i])
                        return true;
        return false;
}

void admission_stop(struct admission *a)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (a->planners[i])
                        planner_stop(a->planners[i], NULL, false);
}

bool admission_stopped(struct admission *a)
{
        bool all = true;
        for (size_t i = 0; i < PLANNERS_MAX; i++) {
                if (a->planners[i] && planner_ended(a->planners[i]))
                        planner_free(TAKE(a->planners[i]));
                all = all && !a->planners[i];
        }
        return all;
}

/* ---- may a run start? ---- */

static bool same_job(const struct run *a, const struct run *b)
{
        return a->run_no != b->run_no && a->job == b->job && !a->dry_run;
}

/* $1, $2, $3 of statements about the other runs of a run's job. */
static void add_run(struct context *c, const struct run *run)
{
        db_params_reset(c->params);
        db_add_str(c->params, run->pack_name);
        db_add_str(c->params, run->job_name);
        db_add_int8(c->params, run->run_no);
}

static int load_job_context(struct admission *a, const struct run *run, struct job_context *ret,
                            struct err *e)
{
        struct context *c = a->c;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        add_run(c, run);
        db_add_bool(c->params, run->job->min_interval_ms > 0);
        if (db_query(c->db, sql_job_context, c->params, &r, e) < 0)
                return -1;
        *ret = (struct job_context){ (int)db_int(r, 0, 0), db_instant(r, 0, 2),
                                     db_bool(r, 0, 1) || run->job->suspend };
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                ret->started += a->planners[i] && same_job(planner_run(a->planners[i]), run);
        return 0;
}

/* The time limit runs from here. */
static int set_deadline(struct context *c, const struct run *run, struct err *e)
{
        if (!run->job->time_limit_ms)
                return 0;
        db_params_reset(c->params);
        db_add_int8(c->params, run->run_no);
        db_add_int8(c->params, run->job->time_limit_ms);
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, sql_set_deadline, c->params, NULL, e) < 0)
                return -1;
        return lease_commit(&c->lease, c->db, e);
}

/* Runs that are being planned are requested to end; the others are cancelled at once. */
static int cancel_others(struct admission *a, const struct run *run, struct err *e)
{
        struct context *c = a->c;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char why[100], id[UUID_TEXT_LEN + 1];
        uuid_to_text(run->run_id, id);
        snprintf(why, sizeof why, "replaced by run %s", id);
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (a->planners[i] && same_job(planner_run(a->planners[i]), run))
                        planner_stop(a->planners[i], why, false);
        add_run(c, run);
        if (db_query(c->db, sql_started_runs, c->params, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                const struct run_name n = { db_int(r, i, 0), db_uuid(r, i, 1), run->pack_name,
                                            run->job_name };
                const struct run_end end = { .state = RUN_CANCELLED, .reason = why };
                int rc = run_close(c, &n, &end, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* Of the lanes that the job uses. */
static void find_partitions(const struct context *c, const struct job *j, struct plan_options *o)
{
        for (size_t i = 0; i < j->n_tasks; i++) {
                enum lane lane = j->tasks[i].type->lane;
                o->partitions[lane] = publisher_partitions(c->publisher, lane, ASK_MS);
        }
}

/* Takes `run`. */
static int start_planning(struct admission *a, struct planner **slot, struct run *run, bool manual,
                          struct err *e)
{
        const struct context *c = a->c;
        int rc = set_deadline(a->c, run, e);
        if (rc != 0) {
                run_free(run);
                return rc;
        }
        struct plan_options o = { c->service, c->types, c->lease, manual, { 0 } };
        find_partitions(c, run->job, &o);
        return planner_start(&o, run, slot, e);
}

static int end_run(struct admission *a, const struct run *run, enum run_state state,
                   const char *why, bool alert, struct err *e)
{
        const struct run_name n = run_name_of(run);
        const struct run_end end = { .state = state, .reason = why, .alert = alert };
        return run_close(a->c, &n, &end, e);
}

/* Columns of sql_requested_runs. */
enum { RUN_NO, RUN_ID, MANUAL, REQUESTED_AT, NOT_BEFORE, NOW, PACK, JOB, LATE };

static struct run_name name_at(const struct db_result *r, int row)
{
        return (struct run_name){ db_int(r, row, RUN_NO), db_uuid(r, row, RUN_ID),
                                  db_str(r, row, PACK), db_str(r, row, JOB) };
}

/* Starts a loaded run in the free `slot`, if its guards allow it. Takes *run when it does. */
static int admit(struct admission *a, struct planner **slot, struct run **run,
                 const struct db_result *r, int row, struct err *e)
{
        struct run *x = *run;
        struct job_context job = { 0, INSTANT_NONE, false };
        char why[REASON_MAX] = "";
        if (x->job && load_job_context(a, x, &job, e) < 0)
                return -1;
        const struct run_candidate candidate = { x->scheduled_at,
                                                 db_instant(r, row, REQUESTED_AT),
                                                 db_instant(r, row, NOT_BEFORE),
                                                 db_bool(r, row, MANUAL),
                                                 x->dry_run,
                                                 x->force };
        switch (decide_guard(x->job, &candidate, &job, db_instant(r, row, NOW), why, sizeof why)) {
        case GUARD_WAIT:
                return 0;
        case GUARD_REFUSE:
                /* whoever requested a run sees its state; nobody watches a slot */
                return end_run(a, x, RUN_REFUSED, why, !candidate.manual && !job.suspended, e);
        case GUARD_REPLACE: {
                int rc = cancel_others(a, x, e);
                if (rc != 0)
                        return rc;
                break;
        }
        case GUARD_GO:
                break;
        }
        return start_planning(a, slot, TAKE(*run), candidate.manual, e);
}

static int consider_run(struct admission *a, struct planner **slot, const struct db_result *r,
                        int row, struct err *e)
{
        struct context *c = a->c;
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err bad = ERR_INIT;
        int rc = run_load(c->db, c->packs, db_uuid(r, row, RUN_ID), &run, &bad);
        if (rc == 0)
                return admit(a, slot, &run, r, row, e);
        if (rc > 0)
                return 0;
        if (bad.class != ERR_INPUT) {
                *e = bad;
                return -1;
        }
        /* settings that the job does not have */
        const struct run_name n = name_at(r, row);
        const struct run_end end = { .state = RUN_REFUSED, .reason = bad.text };
        return run_close(c, &n, &end, e);
}

static bool retries_later(const struct admission *a, int64_t run_no)
{
        for (size_t i = 0; i < RETRIES_MAX; i++)
                if (a->retries[i].run_no == run_no)
                        return monotonic_ms() < a->retries[i].at_ms;
        return false;
}

static int cancel_late(struct admission *a, const struct db_result *r, int row, struct err *e)
{
        static const char why[] = "time limit, before its plan was made";
        const struct run_name n = name_at(r, row);
        const struct run_end end = { .state = RUN_CANCELLED, .reason = why, .alert = true };
        struct planner **p = find_planner(a, n.run_no);
        if (!p)
                return run_close(a->c, &n, &end, e);
        planner_stop(*p, why, true);
        return 0;
}

/* Planners whose run somebody has cancelled are requested to end. */
static int stop_cancelled(struct admission *a, struct err *e)
{
        struct context *c = a->c;
        for (size_t i = 0; i < PLANNERS_MAX; i++) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                if (!a->planners[i])
                        continue;
                db_params_reset(c->params);
                db_add_int8(c->params, planner_run(a->planners[i])->run_no);
                if (db_query(c->db,
                             "select from rollcall.run where run_no = $1 and closed_at is null",
                             c->params, &r, e) < 0)
                        return -1;
                if (db_rows(r) == 0)
                        planner_stop(a->planners[i], NULL, false);
        }
        return 0;
}

int admission_start(struct admission *a, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (stop_cancelled(a, e) < 0 || db_query(a->c->db, sql_requested_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                int rc = 0;
                int64_t run_no = db_int(r, i, RUN_NO);
                struct planner **slot = find_free_planner(a);
                if (db_bool(r, i, LATE))
                        rc = cancel_late(a, r, i, e);
                else if (slot && !admission_plans(a, run_no) && !retries_later(a, run_no))
                        rc = consider_run(a, slot, r, i, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* ---- what planning came to ---- */

static void retry_later(struct admission *a, const struct run *run, const char *why)
{
        struct retry *oldest = &a->retries[0];
        for (size_t i = 0; i < RETRIES_MAX; i++) {
                if (a->retries[i].at_ms < oldest->at_ms)
                        oldest = &a->retries[i];
                if (a->retries[i].run_no == run->run_no) {
                        oldest = &a->retries[i];
                        break;
                }
        }
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(run->run_id, id);
        if (*why && oldest->run_no != run->run_no)
                log_warn("planning failed, will retry", RUN_Q " error=" LOG_Q,
                         RUN_VALUES(run->run_no, id, run->pack_name, run->job_name), why);
        *oldest = (struct retry){ run->run_no, monotonic_ms() + RETRY_MS };
}

static void report_planned(struct admission *a, const struct run *run, enum plan_end end,
                           int64_t planned, const char *why)
{
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(run->run_id, id);
        if (end == PLAN_DONE) {
                log_info("run planned", RUN_Q " tasks=%lld dry_run=%s",
                         RUN_VALUES(run->run_no, id, run->pack_name, run->job_name),
                         (long long)planned, run->dry_run ? "true" : "false");
                announce_state(a->c, run, RUN_PLANNED, planned);
        } else if (end == PLAN_HELD) {
                log_warn("run held for review", RUN_Q " tasks=%lld reason=" LOG_Q,
                         RUN_VALUES(run->run_no, id, run->pack_name, run->job_name),
                         (long long)planned, why);
        }
}

static int collect_planner(struct admission *a, struct planner *p, struct err *e)
{
        const struct run *run = planner_run(p);
        const char *stopped = planner_stopped(p);
        int64_t planned;
        char why[REASON_MAX];
        enum plan_end end = planner_join(p, &planned, why, sizeof why);
        report_planned(a, run, end, planned, why);
        if (stopped) /* perhaps too late for the planning, but not for the run */
                return end_run(a, run, RUN_CANCELLED, stopped, planner_alert(p), e);
        switch (end) {
        case PLAN_DONE:
        case PLAN_HELD:
        case PLAN_STOPPED:
                return 0;
        case PLAN_REFUSED:
                return end_run(a, run, RUN_REFUSED, why, !planner_manual(p), e);
        case PLAN_FAILED:
                return end_run(a, run, RUN_FAILED, why, true, e);
        case PLAN_RETRY:
                break;
        }
        retry_later(a, run, why);
        return 0;
}

int admission_collect(struct admission *a, struct err *e)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++) {
                if (!a->planners[i] || !planner_ended(a->planners[i]))
                        continue;
                struct planner *p CLEANUP(planner_cleanup) = TAKE(a->planners[i]);
                int rc = collect_planner(a, p, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}
