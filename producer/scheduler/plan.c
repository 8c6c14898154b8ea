/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a run: its precondition, the rows of each task type, its limits, and the change of
 * the run's state are one transaction. */
#include "plan.h"

#include "base/failpoint.h"
#include "plan_due.h"
#include "plan_limits.h"
#include "scheduler_statements.h"

#include <stdio.h>

enum { KEPT_MAX = 1024 * 1024 };

/* Makes the ledger's partition of the run's day: in a transaction of its own, because it locks out
 * other new days. */
static int ensure_day(struct planning *p, struct err *e)
{
        db_params_reset(p->params);
        db_add_int4(p->params, (int32_t)p->run->day);
        return db_query(p->db, "select rollcall.ensure_day(date '1970-01-01' + $1)", p->params,
                        NULL, e);
}

/* Two planners of one run (one of a scheduler that has lost the lead) come one after the other. The
 * run's row is not locked: whoever cancels it does not wait for the plan. */
static int lock_run(struct planning *p, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(p->params);
        db_add_int8(p->params, p->run->run_no);
        if (db_query(p->db, "select pg_advisory_xact_lock(hashtextextended('rollcall.plan', $1))",
                     p->params, NULL, e) < 0 ||
            db_query(p->db, "select 1 from rollcall.run where run_no = $1 and state = 'requested'",
                     p->params, &r, e) < 0)
                return -1;
        return db_rows(r) == 1 ? PLAN_COMMITTED : PLAN_NOT_OURS;
}

/* The precondition statement's row: ok, reason. PLAN_COMMITTED: it is met. */
static int check_requires(struct planning *p, const struct run_values *v, char *why, size_t max,
                          struct err *e)
{
        struct bound_sql b CLEANUP(bound_sql_deinit) = { 0 };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const struct sql_file *f = &p->run->job->precondition;
        if (!f->text)
                return 0;
        db_params_reset(p->params);
        if (sql_bind(f, p->run->pack, NULL, 0, 1, &b, e) < 0 ||
            sql_add_values(&b, v, p->params, e) < 0)
                return -1;
        if (db_query(p->db, b.text, p->params, &r, e) < 0)
                return err_prefix(e, "%s", f->path);
        int ok = db_column(r, "ok"), reason = db_column(r, "reason");
        if (ok < 0 || db_rows(r) != 1)
                return err_set(e, ERR_INPUT, "", "%s: one row with a column \"ok\" was expected",
                               f->path);
        if (db_bool(r, 0, ok))
                return 0;
        const char *text = reason < 0 ? "" : db_str(r, 0, reason);
        snprintf(why, max, "%s", *text ? text : "its precondition is not met");
        return PLAN_NOT_MET;
}

/* A type that the job lists twice is planned once: its tasks would be the same ones. They are dry
 * only when each mention is. */
static bool is_first_mention(const struct job *j, size_t i, bool *ret_dry)
{
        *ret_dry = true;
        for (size_t k = 0; k < j->n_tasks; k++) {
                if (j->tasks[k].type != j->tasks[i].type)
                        continue;
                if (k < i)
                        return false;
                *ret_dry = *ret_dry && j->tasks[k].dry_run;
        }
        return true;
}

/* What is planned is no follow-up any more: see rollcall.shared_follow_up. */
static int add_shared(struct planning *p, const struct job_task *t, struct err *e)
{
        if (p->run->dry_run || !job_shares(p->run->job, span_of(t->type->full_name)))
                return 0;
        db_params_reset(p->params);
        db_add_int8(p->params, p->run->run_no);
        db_add_str(p->params, t->type->full_name);
        return db_query(p->db, sql_plan_shared, p->params, NULL, e);
}

static int plan_tasks(struct planning *p, const struct run_values *v, struct err *e)
{
        const struct job *j = p->run->job;
        for (size_t i = 0; i < j->n_tasks; i++) {
                struct job_task t = { .type = j->tasks[i].type };
                if (!is_first_mention(j, i, &t.dry_run))
                        continue;
                t.dry_run = t.dry_run || p->run->dry_run;
                if (t.type->scope == SCOPE_RUN ? plan_run_scope(p, &t, e) < 0
                                               : plan_due(p, &t, v, e) < 0)
                        return -1;
                if (add_shared(p, &t, e) < 0)
                        return -1;
        }
        return 0;
}

/* `held_for`: why it is held for review; "": it is not. */
static int set_planned(struct planning *p, const char *held_for, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        BUF_CLEANUP struct buf settings = { .max = KEPT_MAX }, statements = { .max = KEPT_MAX };
        if (run_fix(p->run, &settings, &statements, e) < 0)
                return -1;
        struct db_params *q = p->params;
        db_params_reset(q);
        db_add_int8(q, p->run->run_no);
        db_add_int4(q, p->chunk);
        db_add_int8(q, p->planned);
        db_add_int8(q, (int64_t)p->digest.a);
        db_add_int8(q, (int64_t)p->digest.b);
        db_add_str(q, held_for);
        if (p->population < 0)
                db_add_null(q);
        else
                db_add_int8(q, p->population);
        db_add_str(q, buf_str(&settings));
        db_add_str(q, buf_str(&statements));
        db_add_bool(q, p->by_task);
        if (db_query(p->db, sql_set_planned, q, &r, e) < 0)
                return -1;
        return db_rows(r) == 1 ? PLAN_COMMITTED : PLAN_NOT_OURS;
}

int plan_run(struct planning *p, char *why, size_t max, struct err *e)
{
        const struct run *run = p->run;
        struct lease lease = p->o->lease;
        struct run_values v = {
                .now = run->scheduled_at,
                .run_id = run->run_id,
                .actor = run->requested_by,
                .dry_run = run->dry_run,
                .pack = run->pack,
                .settings = run->settings,
                .n_settings = run->n_settings,
        };
        *why = '\0';
        /* read committed: the lease's row, which is checked at the end, has been renewed meanwhile
         */
        if (ensure_day(p, e) < 0 || db_exec(p->db, "begin isolation level read committed", e) < 0)
                return -1;
        int rc = lock_run(p, e);
        if (rc == 0)
                rc = pack_search_path(p->db, run->pack, true, e);
        if (rc == 0)
                rc = check_requires(p, &v, why, max, e);
        if (rc != 0)
                return rc;
        if (plan_tasks(p, &v, e) < 0)
                return -1;
        if (p->planned < run->job->min_planned)
                return err_set(e, ERR_INPUT, "",
                               "%lld tasks were planned, and min_planned of the job is %lld",
                               (long long)p->planned, (long long)run->job->min_planned);
        if (plan_review(p, &v, why, max, e) < 0)
                return -1;
        rc = set_planned(p, why, e);
        FAILPOINT("plan.uncommitted");
        if (rc == PLAN_COMMITTED && (rc = lease_check(&lease, p->db, e)) == LEAD_LOST)
                rc = PLAN_NOT_OURS;
        return rc == PLAN_COMMITTED ? db_exec(p->db, "commit", e) : rc;
}
