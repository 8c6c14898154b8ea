/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall jobs list`: jobs with schedule, suspension and last run. */
#include "output.h"
#include "suspension.h"
#include "commands.h"
#include "rollcall_statements.h"

#include <string.h>

enum { NEXT_MAX = 20 };

struct job_line { /* one job as the list shows it */
        const struct job *job;
        int row; /* of the query; -1: not registered in the database */
        struct suspension suspension;
        instant next[NEXT_MAX];
        size_t n_next;
};

static void read_job(const struct job *j, const struct db_result *r, instant after, size_t n,
                     struct job_line *ret)
{
        *ret = (struct job_line){ .job = j, .row = -1 };
        for (int i = 0; i < db_rows(r); i++)
                if (strcmp(db_str(r, i, 0), j->pack->name) == 0 &&
                    strcmp(db_str(r, i, 1), j->name) == 0)
                        ret->row = i;
        suspension_read(j, r, ret->row, &ret->suspension);
        for (instant t = after; j->schedule && ret->n_next < n &&
                                (t = cron_next(&j->cron, j->zone, t)) != INSTANT_NONE;)
                ret->next[ret->n_next++] = t;
}

static json_t *job_json(const struct job_line *l, const struct db_result *r)
{
        json_t *next = json_array(), *last = json_null();
        char text[INSTANT_TEXT_MAX];
        for (size_t i = 0; i < l->n_next; i++) {
                format_instant(l->job->zone, l->next[i], text);
                json_array_append_new(next, json_string(text));
        }
        if (l->row >= 0 && !db_null(r, l->row, 3))
                last = json_pack("{s:s, s:o, s:s}", "run_id", db_str(r, l->row, 3), "scheduled_at",
                                 json_instant(db_instant(r, l->row, 4)), "state",
                                 db_str(r, l->row, 5));
        json_t *o = json_pack("{s:s, s:s, s:s?, s:s, s:o, s:b, s:o}", "job", l->job->full_name,
                              "help", l->job->help ? l->job->help : "", "schedule",
                              l->job->schedule, "time_zone", l->job->time_zone, "next", next,
                              "registered", l->row >= 0, "last_run", last);
        suspension_json(&l->suspension, o);
        json_object_set_new(o, "destructive", json_boolean(job_destructive(l->job)));
        json_object_set_new(o, "max_subjects",
                            l->job->max_subjects < 0 ? json_null()
                                                     : json_integer(l->job->max_subjects));
        json_object_set_new(o, "max_percent",
                            l->job->max_percent < 0 ? json_null() : json_real(l->job->max_percent));
        return o;
}

static void job_row(const struct job_line *l, const struct db_result *r, struct table *t)
{
        char next[INSTANT_TEXT_MAX] = "", last[INSTANT_TEXT_MAX] = "";
        bool ran = l->row >= 0 && !db_null(r, l->row, 3);
        if (l->n_next)
                format_instant(l->job->zone, l->next[0], next);
        if (ran)
                format_instant(l->job->zone, db_instant(r, l->row, 4), last);
        table_add(t, l->job->full_name);
        table_add(t, l->job->schedule ? l->job->schedule : "by hand");
        table_add(t, l->job->time_zone);
        table_add(t, next);
        if (l->suspension.suspended)
                suspension_cell(&l->suspension, t);
        else
                table_add(t, l->row < 0 ? "not registered" : "");
        table_add(t, last);
        table_add(t, ran ? db_str(r, l->row, 5) : "");
        for (size_t i = 1; i < l->n_next; i++) {
                format_instant(l->job->zone, l->next[i], next);
                for (size_t k = 0; k < t->columns; k++)
                        table_add(t, k == 3 ? next : "");
        }
}

static int read_after(const struct args *a, instant *ret)
{
        const char *text = args_get(a, "after");
        *ret = instant_now();
        if (!text || instant_parse(text, strlen(text), ret))
                return 0;
        return cli_error(
                CODE_USAGE,
                "jobs list: --after \"%s\": an instant such as 2026-11-21T06:00:00-03:00 was "
                "expected",
                text);
}

int verb_jobs_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "JOB",   "SCHEDULE", "TIME ZONE", "NEXT DUE",
                                             "STATE", "LAST RUN", "RESULT",    NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int64_t n;
        instant after;
        int rc = args_number(a, "next", 1, 1, NEXT_MAX, &n);
        if (rc == 0)
                rc = read_after(a, &after);
        if (rc == 0)
                rc = cli_packs(c);
        if (rc == 0)
                rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, sql_job_last_runs, NULL, 0, &r);
        if (rc)
                return rc;
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        json_t *list = c->json ? json_array() : NULL;
        for (size_t i = 0; i < c->packs->n; i++)
                for (size_t k = 0; k < c->packs->list[i]->n_jobs; k++) {
                        struct job_line line;
                        read_job(&c->packs->list[i]->jobs[k], r, after, (size_t)n, &line);
                        if (list)
                                json_array_append_new(list, job_json(&line, r));
                        else
                                job_row(&line, r, &t);
                }
        if (list)
                return print_json(list);
        table_print(c, &t);
        return CODE_OK;
}
