/* What a job wants done when a run has closed: requests of Rollcall's own, filed in the transaction
 * that notes the run's end as announced. */
#include "scheduler.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <string.h>

static int file_task(struct scheduler *s, const struct run *run, const struct task_type *type,
                     const char *when, instant at, struct err *e)
{
        char subject[UUID_TEXT_LEN + 1], name[300];
        uuid_to_text(run->run_id, subject);
        /* a run that was held may fail later, too */
        snprintf(name, sizeof name, "%s/%s", when, type->full_name);
        db_params_reset(s->params);
        db_add_str(s->params, run->requested_by);
        db_add_str(s->params, subject);
        db_add_int4(s->params, type_number(s->types, type));
        db_add_uuid(s->params, uuid_v5(run->run_id, name, strlen(name)));
        db_add_instant(s->params, at);
        return db_query(s->db, sql_request_task, s->params, NULL, e);
}

static int file_list(struct scheduler *s, const struct run *run, const struct task_type **list,
                     size_t n, const char *when, instant at, struct err *e)
{
        for (size_t i = 0; i < n; i++)
                if (file_task(s, run, list[i], when, at, e) < 0)
                        return -1;
        return 0;
}

/* A dry run leaves no trace; only one that nobody watches tells of its failure. */
static int file_all(struct scheduler *s, const struct run *run, bool held, bool alert, instant at,
                    struct err *e)
{
        const struct job *j = run->job;
        bool manual = strcmp(run->cause, "manual") == 0;
        if (!j)
                return 0;
        if (held)
                return run->state != RUN_HELD
                               ? 0
                               : file_list(s, run, j->on_failure, j->n_on_failure, "held", at, e);
        if (alert && j->alert_on != ALERT_NEVER && !(run->dry_run && manual) &&
            file_list(s, run, j->on_failure, j->n_on_failure, "on", at, e) < 0)
                return -1;
        if (run->state == RUN_SUCCEEDED && !run->dry_run &&
            file_list(s, run, j->on_success, j->n_on_success, "on", at, e) < 0)
                return -1;
        if (run->state != RUN_REFUSED && !run->dry_run)
                return file_list(s, run, j->on_finish, j->n_on_finish, "on", at, e);
        return 0;
}

int announce_tasks(struct scheduler *s, const struct announced *a, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err bad = ERR_INIT;
        db_params_reset(s->params);
        db_add_int8(s->params, a->run_no);
        if (db_query(
                    s->db,
                    "select run_id, alert, coalesce(closed_at, held_at) from rollcall.run where run_no = $1",
                    s->params, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        int rc = run_load(s->db, s->packs, db_uuid(r, 0, 0), &run, &bad);
        /* else the job is not known here: announce has said so */
        if (rc < 0 && bad.class != ERR_INPUT) {
                *e = bad;
                return -1;
        }
        return rc ? 0 : file_all(s, run, a->held, db_bool(r, 0, 1), db_instant(r, 0, 2), e);
}
