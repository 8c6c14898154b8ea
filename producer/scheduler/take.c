/* Requested runs: may they start, and what their planners came to. */
#include "scheduler.h"

#include "base/log.h"
#include "decide.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_MS = 1000, REASON_MAX = 500 };

/* ---- what stands beside a run ---- */

static struct planner **planner_of(struct scheduler *s, int64_t run_no)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (s->planners[i] && planner_run(s->planners[i])->run_no == run_no)
                        return &s->planners[i];
        return NULL;
}

bool take_planning(struct scheduler *s, int64_t run_no)
{
        return planner_of(s, run_no) != NULL;
}

static struct planner **free_planner(struct scheduler *s)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (!s->planners[i])
                        return &s->planners[i];
        return NULL;
}

static bool same_job(const struct run *a, const struct run *b)
{
        return a->run_no != b->run_no && a->job == b->job && !a->dry_run;
}

static int look_around(struct scheduler *s, const struct run *run, struct job_world *ret,
                       struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(s->params);
        db_add_str(s->params, run->pack_name);
        db_add_str(s->params, run->job_name);
        db_add_int8(s->params, run->run_no);
        db_add_bool(s->params, run->job->min_interval_ms > 0);
        if (db_query(s->db, sql_job_context, s->params, &r, e) < 0)
                return -1;
        *ret = (struct job_world){ (int)db_int(r, 0, 0), db_instant(r, 0, 2),
                                   db_bool(r, 0, 1) || run->job->suspend };
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                ret->started += s->planners[i] && same_job(planner_run(s->planners[i]), run);
        return 0;
}

/* ---- taking up ---- */

/* The time limit runs from here. */
static int set_deadline(struct scheduler *s, const struct run *run, struct err *e)
{
        if (!run->job->time_limit_ms)
                return 0;
        db_params_reset(s->params);
        db_add_int8(s->params, run->run_no);
        db_add_int8(s->params, run->job->time_limit_ms);
        if (db_exec(s->db, "begin", e) < 0 ||
            db_query(
                    s->db,
                    "update rollcall.run set deadline_at = coalesce(deadline_at, clock_timestamp() + $2 * interval '1 ms') where run_no = $1 and state = 'requested'",
                    s->params, NULL, e) < 0)
                return -1;
        return scheduler_commit(s, e);
}

/* A run in the making is asked to end; the others are cancelled at once. */
static int replace(struct scheduler *s, const struct run *run, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char why[100], id[UUID_TEXT_LEN + 1];
        uuid_to_text(run->run_id, id);
        snprintf(why, sizeof why, "replaced by run %s", id);
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (s->planners[i] && same_job(planner_run(s->planners[i]), run))
                        planner_stop(s->planners[i], why, false);
        db_params_reset(s->params);
        db_add_str(s->params, run->pack_name);
        db_add_str(s->params, run->job_name);
        db_add_int8(s->params, run->run_no);
        if (db_query(s->db, sql_started_runs, s->params, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                int rc = run_close(s, db_int(r, i, 0), RUN_CANCELLED, why, false, e);
                if (rc != 0)
                        return rc;
                log_closed(&(struct run_name){ db_int(r, i, 0), db_uuid(r, i, 1), run->pack_name,
                                               run->job_name },
                           RUN_CANCELLED, why);
        }
        return 0;
}

/* Takes `run`. */
static int start(struct scheduler *s, struct planner **slot, struct run *run, bool manual,
                 struct err *e)
{
        int rc = set_deadline(s, run, e);
        if (rc != 0) {
                run_free(run);
                return rc;
        }
        struct plan_options o = { s->service, s->types, s->lease, manual };
        return planner_start(&o, run, slot, e);
}

static int refuse(struct scheduler *s, const struct run *run, enum run_state state, const char *why,
                  bool alert, struct err *e)
{
        int rc = run_close(s, run->run_no, state, why, alert, e);
        if (rc == 0)
                log_closed(&(struct run_name){ run->run_no, run->run_id, run->pack_name,
                                               run->job_name },
                           state, why);
        return rc;
}

/* Columns of a requested run's row. */
enum { RUN_NO, RUN_ID, MANUAL, REQUESTED_AT, NOT_BEFORE, NOW, PACK, JOB, LATE };

static int consider(struct scheduler *s, struct planner **slot, const struct db_result *r, int row,
                    struct err *e)
{
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err bad = ERR_INIT;
        struct job_world world = { 0, INSTANT_NONE, false };
        char why[REASON_MAX] = "";
        int rc = run_load(s->db, s->packs, db_uuid(r, row, RUN_ID), &run, &bad);
        if (rc < 0 && bad.class == ERR_INPUT) { /* settings that the job does not have */
                rc = run_close(s, db_int(r, row, RUN_NO), RUN_REFUSED, bad.text, false, e);
                if (rc == 0)
                        log_closed(&(struct run_name){ db_int(r, row, RUN_NO),
                                                       db_uuid(r, row, RUN_ID),
                                                       db_str(r, row, PACK), db_str(r, row, JOB) },
                                   RUN_REFUSED, bad.text);
                return rc;
        }
        if (rc < 0)
                *e = bad;
        if (rc != 0)
                return rc < 0 ? -1 : 0;
        if (run->job && look_around(s, run, &world, e) < 0)
                return -1;
        struct run_asked asked = { run->scheduled_at,
                                   db_instant(r, row, REQUESTED_AT),
                                   db_instant(r, row, NOT_BEFORE),
                                   db_bool(r, row, MANUAL),
                                   run->dry_run,
                                   run->force };
        switch (guard_run(run->job, &asked, &world, db_instant(r, row, NOW), why, sizeof why)) {
        case GUARD_WAIT:
                return 0;
        case GUARD_REFUSE:
                /* nobody else would know */
                return refuse(s, run, RUN_REFUSED, why, !asked.manual && !world.suspended, e);
        case GUARD_REPLACE:
                rc = replace(s, run, e);
                if (rc != 0)
                        return rc;
                break;
        case GUARD_GO:
                break;
        }
        bool manual = asked.manual;
        return start(s, slot, TAKE(run), manual, e);
}

static bool retry_later(const struct scheduler *s, int64_t run_no)
{
        for (size_t i = 0; i < RETRIES_MAX; i++)
                if (s->retries[i].run_no == run_no)
                        return monotonic_ms() < s->retries[i].at_ms;
        return false;
}

static int close_late(struct scheduler *s, const struct db_result *r, int row, struct err *e)
{
        static const char why[] = "time limit, before its plan was made";
        struct planner **p = planner_of(s, db_int(r, row, RUN_NO));
        if (p) {
                planner_stop(*p, why, true);
                return 0;
        }
        int rc = run_close(s, db_int(r, row, RUN_NO), RUN_CANCELLED, why, true, e);
        if (rc == 0)
                log_closed(&(struct run_name){ db_int(r, row, RUN_NO), db_uuid(r, row, RUN_ID),
                                               db_str(r, row, PACK), db_str(r, row, JOB) },
                           RUN_CANCELLED, why);
        return rc;
}

/* Planners whose run somebody has cancelled are asked to end. */
static int stop_cancelled(struct scheduler *s, struct err *e)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                if (!s->planners[i])
                        continue;
                db_params_reset(s->params);
                db_add_int8(s->params, planner_run(s->planners[i])->run_no);
                if (db_query(s->db,
                             "select from rollcall.run where run_no = $1 and closed_at is null",
                             s->params, &r, e) < 0)
                        return -1;
                if (db_rows(r) == 0)
                        planner_stop(s->planners[i], NULL, false);
        }
        return 0;
}

int take_requested(struct scheduler *s, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (stop_cancelled(s, e) < 0)
                return -1;
        if (db_query(s->db, sql_requested_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                int rc = 0;
                int64_t run_no = db_int(r, i, RUN_NO);
                struct planner **slot = free_planner(s);
                if (db_bool(r, i, LATE))
                        rc = close_late(s, r, i, e);
                else if (slot && !planner_of(s, run_no) && !retry_later(s, run_no))
                        rc = consider(s, slot, r, i, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* ---- what planning came to ---- */

static void try_again(struct scheduler *s, const struct run *run, const char *why)
{
        struct retry *oldest = &s->retries[0];
        for (size_t i = 0; i < RETRIES_MAX; i++) {
                if (s->retries[i].at_ms < oldest->at_ms)
                        oldest = &s->retries[i];
                if (s->retries[i].run_no == run->run_no) {
                        oldest = &s->retries[i];
                        break;
                }
        }
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(run->run_id, id);
        if (*why && oldest->run_no != run->run_no)
                log_warn("planning is tried again", RUN_Q " error=" LOG_Q,
                         RUN_VALUES(run->run_no, id, run->pack_name, run->job_name), why);
        *oldest = (struct retry){ run->run_no, monotonic_ms() + RETRY_MS };
}

/* A run that cannot be planned ends by itself; the others go on. */
static int harvest(struct scheduler *s, struct planner *p, struct err *e)
{
        const struct run *run = planner_run(p);
        const char *stopped = planner_stopped(p);
        int64_t planned;
        char why[REASON_MAX];
        enum plan_end end = planner_join(p, &planned, why, sizeof why);
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(run->run_id, id);
        if (end == PLAN_DONE) {
                log_info("run planned", RUN_Q " tasks=%lld dry_run=%s",
                         RUN_VALUES(run->run_no, id, run->pack_name, run->job_name),
                         (long long)planned, run->dry_run ? "true" : "false");
                announce_state(s, run, RUN_PLANNED, planned);
        } else if (end == PLAN_HELD) {
                log_warn("run held for review", RUN_Q " tasks=%lld reason=" LOG_Q,
                         RUN_VALUES(run->run_no, id, run->pack_name, run->job_name),
                         (long long)planned, why);
        }
        if (stopped) /* perhaps too late for the planning, but not for the run */
                return refuse(s, run, RUN_CANCELLED, stopped, planner_alert(p), e);
        if (end == PLAN_DONE || end == PLAN_HELD || end == PLAN_STOPPED)
                return 0;
        if (end == PLAN_REFUSED)
                return refuse(s, run, RUN_REFUSED, why, !planner_manual(p), e);
        if (end == PLAN_FAILED)
                return refuse(s, run, RUN_FAILED, why, true, e);
        try_again(s, run, why);
        return 0;
}

int take_planned(struct scheduler *s, bool *ret_any, struct err *e)
{
        *ret_any = false;
        for (size_t i = 0; i < PLANNERS_MAX; i++) {
                if (!s->planners[i] || !planner_ended(s->planners[i]))
                        continue;
                struct planner *p CLEANUP(planner_cleanup) = TAKE(s->planners[i]);
                *ret_any = true;
                int rc = harvest(s, p, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

bool take_any(const struct scheduler *s)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (s->planners[i])
                        return true;
        return false;
}

void take_stop(struct scheduler *s)
{
        for (size_t i = 0; i < PLANNERS_MAX; i++)
                if (s->planners[i])
                        planner_stop(s->planners[i], NULL, false);
}

bool take_stopped(struct scheduler *s)
{
        bool all = true;
        for (size_t i = 0; i < PLANNERS_MAX; i++) {
                if (s->planners[i] && planner_ended(s->planners[i]))
                        planner_free(TAKE(s->planners[i]));
                all = all && !s->planners[i];
        }
        return all;
}
