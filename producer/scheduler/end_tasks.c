/* SPDX-License-Identifier: Apache-2.0 */
/* The tasks that follow from a run's end are requests of Rollcall's own: published like all others,
 * and lost by no crash. */
#include "end_tasks.h"

#include "scheduler_statements.h"

#include <stdio.h>
#include <string.h>

static int request_task(struct context *c, const struct run *run, const struct task_type *type,
                        const char *when, instant at, struct err *e)
{
        char subject[UUID_TEXT_LEN + 1], name[300];
        uuid_to_text(run->run_id, subject);
        /* a run that was held may fail later, too */
        snprintf(name, sizeof name, "%s/%s", when, type->full_name);
        db_params_reset(c->params);
        db_add_str(c->params, run->requested_by);
        db_add_str(c->params, subject);
        db_add_int4(c->params, type_number(c->types, type));
        db_add_uuid(c->params, uuid_v5(run->run_id, name, strlen(name)));
        db_add_instant(c->params, at);
        return db_query(c->db, sql_request_task, c->params, NULL, e);
}

static int request_list(struct context *c, const struct run *run, const struct task_type **list,
                        size_t n, const char *when, instant at, struct err *e)
{
        for (size_t i = 0; i < n; i++)
                if (request_task(c, run, list[i], when, at, e) < 0)
                        return -1;
        return 0;
}

/* A dry run has no effects: only the failure of one that nobody watches is reported. */
static int request_all(struct context *c, const struct run *run, bool held, bool alert, instant at,
                       struct err *e)
{
        const struct job *j = run->job;
        bool manual = strcmp(run->cause, "manual") == 0;
        if (!j)
                return 0;
        if (held)
                return run->state != RUN_HELD ? 0
                                              : request_list(c, run, j->on_failure, j->n_on_failure,
                                                             "held", at, e);
        if (alert && j->alert_on != ALERT_NEVER && !(run->dry_run && manual) &&
            request_list(c, run, j->on_failure, j->n_on_failure, "on", at, e) < 0)
                return -1;
        if (run->state == RUN_SUCCEEDED && !run->dry_run &&
            request_list(c, run, j->on_success, j->n_on_success, "on", at, e) < 0)
                return -1;
        if (run->state != RUN_REFUSED && !run->dry_run)
                return request_list(c, run, j->on_finish, j->n_on_finish, "on", at, e);
        return 0;
}

int end_tasks_request(struct context *c, int64_t run_no, bool held, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err bad = ERR_INIT;
        db_params_reset(c->params);
        db_add_int8(c->params, run_no);
        if (db_query(c->db,
                     "select run_id, alert, coalesce(closed_at, held_at) from rollcall.run where "
                     "run_no = $1",
                     c->params, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        int rc = run_load(c->db, c->packs, db_uuid(r, 0, 0), &run, &bad);
        /* else the job is not of this configuration: nothing follows */
        if (rc < 0 && bad.class != ERR_INPUT) {
                *e = bad;
                return -1;
        }
        return rc ? 0 : request_all(c, run, held, db_bool(r, 0, 1), db_instant(r, 0, 2), e);
}
