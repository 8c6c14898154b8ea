/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall jobs suspend` and `jobs resume`. */
#include "suspension.h"
#include "lookup.h"
#include "rollcall_statements.h"

#include "commands.h"

#include <stdlib.h>
#include <string.h>

void suspension_read(const struct job *j, const struct db_result *r, int row,
                     struct suspension *ret)
{
        *ret = (struct suspension){ .by = "", .reason = "", .at = INSTANT_NONE };
        if (row >= 0 && db_bool(r, row, db_column(r, "is_suspended"))) {
                ret->suspended = true;
                ret->by = db_str(r, row, db_column(r, "suspended_by"));
                ret->reason = db_str(r, row, db_column(r, "suspended_reason"));
                ret->at = db_instant(r, row, db_column(r, "suspended_at"));
                ret->with_all = db_bool(r, row, db_column(r, "suspended_with_all"));
        } else if (j && j->suspend) {
                ret->suspended = true;
                ret->by = "the configuration";
                ret->reason = "suspend = true";
        }
}

void suspension_json(const struct suspension *s, json_t *object)
{
        json_object_set_new(object, "suspended", json_boolean(s->suspended));
        json_object_set_new(object, "suspended_by", json_string(s->by));
        json_object_set_new(object, "suspended_reason", json_string(s->reason));
        json_object_set_new(object, "suspended_at", json_instant(s->at));
        json_object_set_new(object, "suspended_with_all", json_boolean(s->with_all));
}

void suspension_cell(const struct suspension *s, struct table *t)
{
        table_addf(t, "suspended by %s%s%s", s->by, *s->reason ? ": " : "", s->reason);
}

/* ---- the commands ---- */

struct change {
        struct cli *cli;
        const char *name;      /* of the one job; NULL: all */
        const struct job *job; /* NULL: all */
        struct buf names;      /* of the jobs concerned, as an array's text */
};

static void change_deinit(struct change *x)
{
        buf_deinit(&x->names);
}

static bool concerns(const struct change *x, const struct job *j)
{
        return !x->job || x->job == j;
}

static int read_change(struct cli *c, const struct args *a, const char *verb, struct change *x)
{
        *x = (struct change){ .cli = c, .name = args_operand(a, 0) };
        buf_init(&x->names, 1024 * 1024);
        if (!x->name == !args_on(a, "all"))
                return cli_error(CODE_USAGE, "jobs %s: give either a JOB or --all", verb);
        int rc = x->name ? job_find(c, x->name, &x->job) : cli_packs(c);
        if (rc == 0)
                rc = cli_db(c);
        for (size_t i = 0; rc == 0 && i < c->packs->n; i++)
                for (size_t k = 0; k < c->packs->list[i]->n_jobs; k++)
                        if (concerns(x, &c->packs->list[i]->jobs[k]))
                                buf_addf(&x->names, "%s%s", x->names.len ? "," : "{",
                                         c->packs->list[i]->jobs[k].full_name);
        buf_adds(&x->names, x->names.len ? "}" : "{}");
        return rc == 0 && x->names.failed ? cli_oom() : rc;
}

/* Where each job stands now. */
static int ask_state(const struct change *x, struct db_result **ret)
{
        const char *names = buf_str(&x->names);
        return cli_query(x->cli, sql_job_suspensions, &names, 1, ret);
}

static int row_of(const struct db_result *r, const struct job *j)
{
        for (int i = 0; i < db_rows(r); i++)
                if (strcmp(db_str(r, i, 0), j->full_name) == 0)
                        return i;
        return -1;
}

static void print_state(const struct job *j, const struct suspension *s, bool resumed)
{
        if (!s->suspended) {
                printf("%s: %s\n", j->full_name, resumed ? "resumed" : "not suspended");
                return;
        }
        printf("%s: %ssuspended by ", j->full_name, resumed ? "stays " : "");
        print_clean(stdout, s->by);
        printf(*s->reason ? ": " : "");
        print_clean(stdout, s->reason);
        putchar('\n');
}

/* The jobs as they stand after the change. `done`: those that were changed, by a resumption; NULL:
 * it was a suspension. */
static int print_states(const struct change *x, const struct db_result *done)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        json_t *list = x->cli->json ? json_array() : NULL;
        int rc = ask_state(x, &r);
        for (size_t i = 0; rc == 0 && i < x->cli->packs->n; i++)
                for (size_t k = 0; k < x->cli->packs->list[i]->n_jobs; k++) {
                        const struct job *j = &x->cli->packs->list[i]->jobs[k];
                        struct suspension s;
                        if (!concerns(x, j))
                                continue;
                        suspension_read(j, r, row_of(r, j), &s);
                        if (list) {
                                json_t *o = json_pack("{s:s}", "job", j->full_name);
                                suspension_json(&s, o);
                                json_array_append_new(list, o);
                        } else {
                                print_state(j, &s, done && (s.suspended || row_of(done, j) >= 0));
                        }
                }
        if (list)
                print_json(list);
        return rc;
}

/* A job that `db apply` has not seen has no row to be suspended in. */
static int check_registered(const struct change *x)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = ask_state(x, &r);
        for (size_t i = 0; rc == 0 && i < x->cli->packs->n; i++)
                for (size_t k = 0; k < x->cli->packs->list[i]->n_jobs; k++) {
                        const struct job *j = &x->cli->packs->list[i]->jobs[k];
                        if (concerns(x, j) && row_of(r, j) < 0)
                                return cli_error(
                                        CODE_CONFIG,
                                        "job %s is not registered in the database; run: rollcall "
                                        "db apply",
                                        j->full_name);
                }
        return rc;
}

int verb_jobs_suspend(struct cli *c, const struct args *a)
{
        struct change x CLEANUP(change_deinit);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *reason = args_get(a, "reason");
        if (reason && !reason[strspn(reason, " \t\r\n")])
                reason = NULL;
        int rc = read_change(c, a, "suspend", &x);
        if (rc == 0 && args_get(a, "reason") && !reason)
                return cli_error(CODE_USAGE, "jobs suspend: --reason must not be empty");
        if (rc == 0)
                rc = check_registered(&x);
        if (rc)
                return rc;
        const char *params[] = { buf_str(&x.names), x.job ? "false" : "true", reason,
                                 c->actor_given };
        rc = cli_query(c, "select * from rollcall.suspend_jobs($1::text[], $2::boolean, $3, $4)",
                       params, ARRAY_LEN(params), &r);
        return rc ? rc : print_states(&x, NULL);
}

int verb_jobs_resume(struct cli *c, const struct args *a)
{
        struct change x CLEANUP(change_deinit);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = read_change(c, a, "resume", &x);
        if (rc == 0)
                rc = check_registered(&x);
        if (rc)
                return rc;
        const char *params[] = { buf_str(&x.names), x.job ? "false" : "true", c->actor_given };
        rc = cli_query(c, "select * from rollcall.resume_jobs($1::text[], $2::boolean, $3)", params,
                       ARRAY_LEN(params), &r);
        if (rc == 0)
                rc = print_states(&x, r);
        if (rc == 0 && x.job && x.job->suspend)
                return cli_error(
                        CODE_REFUSED,
                        "job %s stays suspended by the configuration: take suspend = true out of "
                        "it",
                        x.job->full_name);
        return rc;
}
