/* SPDX-License-Identifier: Apache-2.0 */
/* The action `report`: renders a report into a file. */
#include "actions/actions.h"

#include "report/report.h"
#include "time/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct report *report_of(const struct task_type *t)
{
        for (size_t i = 0; i < t->pack->n_reports; i++)
                if (strcmp(t->pack->reports[i].name, t->report.report) == 0)
                        return &t->pack->reports[i];
        return NULL;
}

/* The type's file name with the run's local date and time. */
static bool file_name(const struct task_type *t, instant at, char *ret, size_t size)
{
        time_t local = (time_t)(at / INSTANT_SECOND + zone_offset(t->pack->zone, at));
        struct tm tm;
        return gmtime_r(&local, &tm) && strftime(ret, size, t->report.file, &tm) > 0;
}

/* The run that a report is about: the task's own, or, for a task that followed a run's end, the one
 * that its subject names. 0, 1 none, -1 error. */
static int run_about(struct actor *a, const struct statement_group *g, const struct entry *en,
                     struct run **ret, struct err *e)
{
        struct uuid id;
        if (g->run || g->type->scope != SCOPE_RUN ||
            !uuid_parse(en->task.subject.ptr, en->task.subject.len, &id))
                return 1;
        return run_load(a->transactor->db, a->packs, id, ret, e);
}

/* From the database into a file without a name, and from there into the report's: neither is ever
 * whole in memory. */
static int write_file(struct actor *a, const struct report *r, const struct run_values *v,
                      enum report_format format, const char *name, const struct report_owner *owner,
                      char **ret_path, struct err *e)
{
        const char *folder = a->service->reports.folder;
        int document CLEANUP(cleanup_close) = -1;
        struct report_file *f CLEANUP(report_file_cleanup) = NULL;
        if (report_spool(folder, &document, e) < 0 ||
            report_query(a->transactor->db, r, v, document, e) < 0 ||
            report_create(folder, name, &f, e) < 0 ||
            report_render_file(r->title, document, format, report_fd(f), e) < 0)
                return -1;
        return report_commit(f, owner, ret_path, e);
}

static int write_report(struct actor *a, const struct statement_group *g, const struct entry *en,
                        char **ret_path, struct err *e)
{
        const struct report *r = report_of(g->type);
        struct arena *scratch CLEANUP(arena_cleanup) = arena_new(1024 * 1024);
        char name[512];
        struct run *about CLEANUP(run_cleanup) = NULL;
        if (run_about(a, g, en, &about, e) < 0)
                return -1;
        const struct run *run = g->run ? g->run : about;
        /* the same name when it is written again */
        instant at = run ? run->scheduled_at : a->transactor->at;
        struct run_values v = { .now = at,
                                .actor = run ? run->requested_by : "",
                                .pack = g->type->pack };
        if (run)
                v.run_id = run->run_id;
        if (!run && scratch &&
            !(v.actor = arena_strndup(scratch, en->task.actor.ptr ? en->task.actor.ptr : "",
                                      en->task.actor.len)))
                return err_oom(e);
        struct setting_value *parameters =
                scratch ? arena_alloc(scratch, (r->n_parameters + 1) * sizeof *parameters) : NULL;
        if (!parameters)
                return err_oom(e);
        char subject[UUID_TEXT_LEN + 1];
        snprintf(subject, sizeof subject, "%.*s", SPAN_FMT(en->task.subject));
        for (size_t i = 0; i < r->n_parameters; i++) {
                /* a report about a run has its id: a run-scope task's subject */
                bool of_run = g->type->scope == SCOPE_RUN &&
                              strcmp(r->parameters[i].name, "run") == 0;
                parameters[i] = (struct setting_value){ r->parameters[i].name,
                                                        of_run ? subject
                                                               : r->parameters[i].default_value };
        }
        if (run_task_settings(run && run->pack == g->type->pack ? run : NULL, g->type->pack,
                              scratch, &v, e) < 0)
                return -1;
        v.parameters = parameters;
        v.n_parameters = r->n_parameters;
        if (!a->service->reports.folder)
                return err_set(e, ERR_INPUT, "", "reports.folder is not configured");
        if (!file_name(g->type, at, name, sizeof name))
                return err_set(e, ERR_INPUT, "", "the file name pattern gives no name");
        const struct report_owner owner = { run ? run->run_id : en->task.task_id, at };
        return write_file(a, r, &v, g->type->report.format, name, &owner, ret_path, e);
}

int act_report(struct actor *a, struct batch *b, const struct statement_group *g,
               struct entry **list, size_t n, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                char *path CLEANUP(cleanup_free) = NULL;
                if (write_report(a, g, list[i], &path, e) == 0) {
                        actor_decide(b, list[i], OUTCOME_APPLIED, "written: %s", path);
                        continue;
                }
                if (!db_alive(a->transactor->db) || err_is_oom(e))
                        return -1;
                actor_decide(b, list[i], OUTCOME_FAILED, "%s", e->text);
        }
        return 0;
}
