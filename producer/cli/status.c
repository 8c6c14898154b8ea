/* SPDX-License-Identifier: Apache-2.0 */
/* One page: what ran last, what is due next, what is under way, what went wrong, what was written,
 * who leads and how far the workers are. */
#include "lookup.h"
#include "reports.h"
#include "rollcall_statements.h"
#include "status_files.h"
#include "status_lanes.h"
#include "suspension.h"
#include "types.h"
#include "commands.h"

#include "report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- jobs, runs, errors ---- */

static void next_due(const struct job *j, char text[INSTANT_TEXT_MAX])
{
        *text = '\0';
        if (j && j->schedule)
                format_instant(j->zone, cron_next(&j->cron, j->zone, instant_now()), text);
}

static void print_jobs(struct cli *c, const struct db_result *r)
{
        static const char *const heads[] = { "JOB",     "LAST RUN", "RESULT",   "APPLIED",
                                             "SKIPPED", "ERRORS",   "NEXT DUE", NULL };
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (int i = 0; i < db_rows(r); i++) {
                const struct job *j = job_known(c, db_str(r, i, 0), db_str(r, i, 1));
                struct suspension suspension;
                char last[INSTANT_TEXT_MAX], next[INSTANT_TEXT_MAX];
                format_instant(j ? j->zone : NULL, db_instant(r, i, 4), last);
                next_due(j, next);
                table_addf(&t, "%s.%s", db_str(r, i, 0), db_str(r, i, 1));
                table_add(&t, *last ? last : "never");
                table_addf(&t, "%s%s%s", db_str(r, i, 5), *db_str(r, i, 6) ? ": " : "",
                           db_str(r, i, 6));
                for (int k = 8; k <= 10; k++)
                        table_add(&t, db_str(r, i, k));
                suspension_read(j, r, i, &suspension);
                if (suspension.suspended)
                        suspension_cell(&suspension, &t);
                else
                        table_add(&t, !j ? "not in the configuration" : *next ? next : "by hand");
        }
        print_title(c, "Jobs");
        table_print(c, &t);
}

static json_t *jobs_json(const struct cli *c, const struct db_result *r)
{
        json_t *list = json_rows(r);
        for (int i = 0; i < db_rows(r); i++) {
                const struct job *j = job_known(c, db_str(r, i, 0), db_str(r, i, 1));
                json_t *o = json_array_get(list, (size_t)i);
                struct suspension suspension;
                char next[INSTANT_TEXT_MAX];
                next_due(j, next);
                json_object_set_new(o, "next_due", *next ? json_string(next) : json_null());
                json_object_del(o, "is_suspended");
                suspension_read(j, r, i, &suspension);
                suspension_json(&suspension, o);
        }
        return list;
}

/* A result as a table with its own column names, or a sentence when it is empty. */
static void print_rows(const struct cli *c, const char *title, const struct db_result *r,
                       const char *const *heads, const char *none)
{
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (int i = 0; i < db_rows(r); i++)
                for (int k = 0; k < (int)t.columns; k++) {
                        char at[INSTANT_TEXT_MAX];
                        bool instant_column = strcmp(db_column_type(r, k), "timestamptz") == 0;
                        if (instant_column)
                                format_instant(NULL, db_instant(r, i, k), at);
                        table_add(&t, instant_column ? at : db_str(r, i, k));
                }
        putchar('\n');
        print_title(c, title);
        if (db_rows(r))
                table_print(c, &t);
        else
                puts(none);
}

/* ---- the packs' own page ---- */

static json_t *read_document(int fd)
{
        return lseek(fd, 0, SEEK_SET) < 0 ? NULL : json_loadfd(fd, JSON_DECODE_ANY, NULL);
}

/* Each pack's report "status", rendered to standard output or, with `ret`, added to that object
 * under the pack's name. */
static int pack_pages(struct cli *c, json_t *ret)
{
        for (size_t i = 0; i < c->packs->n; i++)
                for (size_t k = 0; k < c->packs->list[i]->n_reports; k++) {
                        const struct report *r = &c->packs->list[i]->reports[k];
                        struct err e = ERR_INIT;
                        int document CLEANUP(cleanup_close) = -1;
                        if (strcmp(r->name, "status") != 0)
                                continue;
                        int rc = report_document(c, r, NULL, 0, &document);
                        if (rc)
                                return rc;
                        if (ret) {
                                json_object_set_new(ret, r->pack->name, read_document(document));
                                continue;
                        }
                        putchar('\n');
                        fflush(stdout);
                        if (report_render_file(r->title, document, REPORT_TABLE, STDOUT_FILENO,
                                               &e) < 0)
                                return cli_fail(CODE_FAILED, &e);
                }
        return 0;
}

/* ---- the page ---- */

struct page {
        struct db_result *jobs, *open, *held, *errors, *leader, *paused, *refused, *troubles;
        struct newest files;
        struct lanes lanes;
};

static void page_deinit(struct page *p)
{
        db_result_free(p->jobs);
        db_result_free(p->open);
        db_result_free(p->held);
        db_result_free(p->errors);
        db_result_free(p->leader);
        db_result_free(p->paused);
        db_result_free(p->refused);
        db_result_free(p->troubles);
        newest_deinit(&p->files);
        lanes_deinit(&p->lanes);
}

/* ---- troubles: the same that the alerts report ---- */

static bool any_trouble(const struct cli *c, const struct page *p)
{
        bool any = db_rows(p->troubles) > 0;
        for (int i = 0; i < SERVED_COUNT; i++)
                any = any || lanes_unserved(c, &p->lanes, (enum lane)i) > 0;
        return any;
}

static const char *topics_of_lane(const struct cli *c, enum lane lane)
{
        return lane == LANE_INTAKE ? "the intake topics" : c->service->topics[lane];
}

static void print_troubles(const struct cli *c, const struct page *p)
{
        if (!any_trouble(c, p))
                return;
        print_title(c, "TROUBLE");
        for (int i = 0; i < db_rows(p->troubles); i++) {
                print_clean(stdout, db_str(p->troubles, i, 1));
                putchar('\n');
        }
        for (int i = 0; i < SERVED_COUNT; i++) {
                int64_t waiting = lanes_unserved(c, &p->lanes, (enum lane)i);
                if (waiting > 0)
                        printf("no worker serves the lane \"%s\", and %" PRId64
                               " messages wait in %s; start rollcall-worker\n",
                               lane_name((enum lane)i), waiting, topics_of_lane(c, (enum lane)i));
        }
        putchar('\n');
}

static json_t *troubles_json(const struct cli *c, const struct page *p)
{
        json_t *list = json_rows(p->troubles);
        for (int i = 0; i < SERVED_COUNT; i++) {
                int64_t waiting = lanes_unserved(c, &p->lanes, (enum lane)i);
                char what[80];
                snprintf(what, sizeof what, "no worker: %s", lane_name((enum lane)i));
                if (waiting > 0)
                        json_array_append_new(list, json_pack("{s:s, s:I}", "what", what, "waiting",
                                                              (json_int_t)waiting));
        }
        return list;
}

/* ---- the page ---- */

static int read_page(struct cli *c, struct page *p)
{
        char stuck_after[24];
        const char *ms = stuck_after;
        snprintf(stuck_after, sizeof stuck_after, "%" PRId64, c->service->scheduler.stuck_after_ms);
        const struct {
                const char *sql;
                const char *const *param; /* NULL: none */
                struct db_result **ret;
        } parts[] = {
                { sql_job_last_runs, NULL, &p->jobs },
                { sql_status_open_runs, NULL, &p->open },
                { sql_status_held_runs, NULL, &p->held },
                { sql_status_errors, NULL, &p->errors },
                { sql_status_leader, NULL, &p->leader },
                { sql_types_paused, NULL, &p->paused },
                { sql_status_refused_reloads, NULL, &p->refused },
                { sql_status_troubles, &ms, &p->troubles },
        };
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                int rc = cli_query(c, parts[i].sql, parts[i].param, parts[i].param ? 1 : 0,
                                   parts[i].ret);
                if (rc)
                        return rc;
        }
        newest_scan(&p->files, c->service->reports.folder, 0);
        return lanes_read(c, &p->lanes);
}

static int print_page_json(struct cli *c, const struct page *p)
{
        json_t *packs = json_object();
        int rc = pack_pages(c, packs);
        if (rc) {
                json_decref(packs);
                return rc;
        }
        return print_json(json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "generated_at",
                json_instant(instant_now()), "troubles", troubles_json(c, p), "jobs",
                jobs_json(c, p->jobs), "open_runs", json_rows(p->open), "held_for_review",
                json_rows(p->held), "paused_types", json_rows(p->paused), "refused_reloads",
                json_rows(p->refused), "errors", json_rows(p->errors), "reports",
                newest_json(&p->files), "leader", json_rows(p->leader), "lanes",
                p->lanes.rc ? json_null() : lanes_json(c, &p->lanes), "intake",
                lanes_json_intakes(c, &p->lanes), "packs", packs));
}

static void print_leader(const struct cli *c, const struct db_result *r)
{
        bool any = false;
        putchar('\n');
        print_title(c, "Scheduler");
        for (int i = 0; i < db_rows(r); i++)
                if (db_bool(r, i, 2)) {
                        printf("%s leads.\n", db_str(r, i, 1));
                        any = true;
                }
        if (!any)
                puts("None is running: nothing is started on schedule.");
}

static void print_page(struct cli *c, const struct page *p)
{
        static const char *const open_heads[] = { "RUN",     "JOB",      "STATE", "DONE",
                                                  "PLANNED", "PER CENT", NULL };
        static const char *const held_heads[] = { "RUN", "JOB", "SINCE", "PLANNED", "WHY", NULL };
        static const char *const refused_heads[] = { "PROGRAM", "SINCE", "REASON", NULL };
        static const char *const error_heads[] = { "AT", "TYPE", "SUBJECT", "REASON", NULL };
        print_troubles(c, p);
        print_jobs(c, p->jobs);
        print_rows(c, "Open runs", p->open, open_heads, "None.");
        if (db_rows(p->held)) {
                print_rows(c, "Held for review", p->held, held_heads, "None.");
                puts("None of their tasks is done until: rollcall runs release RUN");
        }
        if (db_rows(p->paused)) {
                putchar('\n');
                print_title(c, "Paused task types");
                types_print(c, p->paused);
        }
        if (db_rows(p->refused)) {
                print_rows(c, "Refused configurations", p->refused, refused_heads, "None.");
                puts("These programs run with the configuration that they had before.");
        }
        print_rows(c, "Last errors", p->errors, error_heads, "None.");
        newest_print(c, &p->files);
        print_leader(c, p->leader);
        if (p->lanes.rc == 0)
                lanes_print(c, &p->lanes);
        lanes_print_intakes(c, &p->lanes);
}

/* The exit code says whether all is well. */
static int verdict(const struct cli *c, const struct page *p)
{
        return p->lanes.rc ? p->lanes.rc : any_trouble(c, p) ? CODE_FAILED : CODE_OK;
}

int verb_status(struct cli *c, const struct args *a)
{
        struct page p CLEANUP(page_deinit) = { 0 };
        (void)a;
        int rc = cli_packs(c);
        if (rc == 0)
                rc = cli_actor(c);
        if (rc == 0)
                rc = cli_db(c);
        if (rc == 0)
                rc = read_page(c, &p);
        if (rc)
                return rc;
        if (c->json) {
                rc = print_page_json(c, &p);
        } else {
                print_page(c, &p);
                rc = pack_pages(c, NULL);
        }
        return rc ? rc : verdict(c, &p);
}
