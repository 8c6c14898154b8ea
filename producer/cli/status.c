/* One page: what ran last, what is due next, what is under way, what went wrong, what was written,
 * who leads and how far the workers are. */
#include "reports.h"
#include "runs.h"
#include "status_files.h"
#include "suspension.h"
#include "types.h"
#include "verbs.h"

#include "kafka/kafka.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATERMARK_TIMEOUT_MS = 3000 };

/* ---- jobs, runs, errors ---- */

static int ask_jobs(struct cli *c, struct db_result **ret)
{
        return cli_query(
                c,
                "select j.pack, j.job, j.suspended, r.run_id, r.scheduled_at, r.state, r.reason, r.closed_at, p.applied, p.skipped, "
                "p.failed + p.quarantined + p.unknown as errors, " SUSPENSION_COLUMNS
                " from rollcall.job j left join lateral (select * from rollcall.run r "
                "where r.pack = j.pack and r.job = j.job and not r.dry_run and r.scheduled_at <= clock_timestamp() order by r.scheduled_at desc limit 1) r on true "
                "left join rollcall.run_progress p on p.run_no = r.run_no order by 1, 2",
                NULL, 0, ret);
}

static const struct job *known_job(const struct cli *c, const char *pack, const char *name)
{
        char full[512];
        snprintf(full, sizeof full, "%s.%s", pack, name);
        return packs_job(c->packs, full);
}

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
                const struct job *j = known_job(c, db_str(r, i, 0), db_str(r, i, 1));
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
                const struct job *j = known_job(c, db_str(r, i, 0), db_str(r, i, 1));
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

/* ---- lanes ---- */

struct lane_state {
        /* taken: offsets passed; since: age of the last movement, -1 never */
        int64_t taken, waiting, since_seconds;
        bool known;
};

/* How far the workers are in one topic, against the ends of the log. A consumer would join a group,
 * and leaving it takes seconds: not for this. */
static int read_lane(struct cli *c, struct kafka_producer *p, const char *cluster,
                     const char *topic, struct lane_state *lane)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct err e = ERR_INIT;
        const char *params[] = { cluster, topic };
        int rc = cli_query(
                c,
                "select partition, next, extract(epoch from now() - updated_at)::bigint from rollcall.position where cluster = $1 and topic = $2",
                params, 2, &r);
        if (rc)
                return rc;
        int n = kafka_partition_count(p, topic, 1000, &e);
        *lane = (struct lane_state){ .known = n >= 0, .since_seconds = -1 };
        if (n < 0 && strcmp(e.code, "UNKNOWN_TOPIC_OR_PART") != 0)
                return cli_fail(CODE_UNREACHABLE, &e);
        if (n <= 0)
                return 0;
        CLEANUP(cleanup_free) int64_t *low = calloc((size_t)n * 2, sizeof *low);
        if (!low)
                return cli_oom();
        int64_t *high = low + n;
        if (kafka_topic_watermarks(p, topic, n, low, high, WATERMARK_TIMEOUT_MS, &e) < 0)
                return cli_fail(CODE_UNREACHABLE, &e);
        for (int part = 0; part < n; part++) {
                int64_t next = -1;
                for (int row = 0; row < db_rows(r); row++)
                        if (db_int(r, row, 0) == part) {
                                next = db_int(r, row, 1);
                                if (lane->since_seconds < 0 ||
                                    db_int(r, row, 2) < lane->since_seconds)
                                        lane->since_seconds = db_int(r, row, 2);
                        }
                lane->taken += next > 0 ? next : 0;
                lane->waiting += high[part] - (next > low[part] ? next : low[part]);
        }
        return 0;
}

/* Kafka away: 4 after a sentence, and the page goes on. */
static int read_lanes(struct cli *c, struct lane_state lanes[LANE_COUNT + 1])
{
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        int rc = cli_kafka(c, &p);
        const char *cluster = rc ? NULL : kafka_producer_cluster(p, WATERMARK_TIMEOUT_MS);
        for (size_t i = 0; rc == 0 && i <= LANE_COUNT; i++)
                rc = read_lane(c, p, cluster,
                               i < LANE_COUNT ? c->service->topics[i] : c->service->topic_results,
                               &lanes[i]);
        return rc;
}

static const char *lane_label(size_t i)
{
        return i < LANE_COUNT ? lane_name((enum lane)i) : "results";
}

static void print_lanes(const struct cli *c, const struct lane_state *lanes)
{
        static const char *const heads[] = {
                "LANE", "TOPIC", "TAKEN", "WAITING", "LAST MOVED", NULL
        };
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (size_t i = 0; i <= LANE_COUNT; i++) {
                table_add(&t, lane_label(i));
                table_add(&t, i < LANE_COUNT ? c->service->topics[i] : c->service->topic_results);
                table_addf(&t, "%" PRId64, lanes[i].taken);
                table_addf(&t, "%" PRId64, lanes[i].waiting);
                if (!lanes[i].known)
                        table_add(&t, "missing");
                else if (lanes[i].since_seconds < 0)
                        table_add(&t, "never");
                else
                        table_addf(&t, "%" PRId64 " s ago", lanes[i].since_seconds);
        }
        putchar('\n');
        print_title(c, "Lanes");
        table_print(c, &t);
}

static json_t *lanes_json(const struct cli *c, const struct lane_state *lanes)
{
        json_t *list = json_array();
        for (size_t i = 0; i <= LANE_COUNT; i++)
                json_array_append_new(
                        list,
                        json_pack(
                                "{s:s, s:s, s:b, s:I, s:I, s:o}", "lane", lane_label(i), "topic",
                                i < LANE_COUNT ? c->service->topics[i] : c->service->topic_results,
                                "exists", lanes[i].known, "taken", (json_int_t)lanes[i].taken,
                                "waiting", (json_int_t)lanes[i].waiting, "moved_seconds_ago",
                                lanes[i].since_seconds < 0 ? json_null()
                                                           : json_integer(lanes[i].since_seconds)));
        return list;
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
        struct db_result *jobs, *open, *held, *errors, *leader, *paused, *troubles, *unserved;
        struct newest files;
        struct lane_state lanes[LANE_COUNT + 1];
        int lanes_rc;
};

static void page_deinit(struct page *p)
{
        db_result_free(p->jobs);
        db_result_free(p->open);
        db_result_free(p->held);
        db_result_free(p->errors);
        db_result_free(p->leader);
        db_result_free(p->paused);
        db_result_free(p->troubles);
        db_result_free(p->unserved);
        newest_deinit(&p->files);
}

/* ---- troubles: the same that alert.to is told of ---- */

static int ask_troubles(struct cli *c, struct page *p)
{
        char stuck_after[24], lanes[100] = "{";
        snprintf(stuck_after, sizeof stuck_after, "%" PRId64, c->service->scheduler.stuck_after_ms);
        const char *ms = stuck_after, *list = lanes;
        for (int i = 0; i < LANE_COUNT; i++)
                snprintf(lanes + strlen(lanes), sizeof lanes - strlen(lanes), "%s%s", i ? "," : "",
                         lane_name((enum lane)i));
        strcat(lanes, "}");
        int rc = cli_query(
                c,
                "select what, detail from rollcall.troubles($1::bigint * interval '1 ms') order by 1",
                &ms, 1, &p->troubles);
        return rc ? rc
                  : cli_query(
                            c,
                            "select l from unnest($1::text[]) l where not rollcall.lane_is_served(l)",
                            &list, 1, &p->unserved);
}

/* Messages that wait in a lane without a worker; 0: none do, or the lane is served. */
static int64_t left_lying(const struct cli *c, const struct page *p, size_t lane)
{
        for (int i = 0; p->lanes_rc == 0 && packs_use_lane(c->packs, (enum lane)lane) &&
                        i < db_rows(p->unserved);
             i++)
                if (strcmp(db_str(p->unserved, i, 0), lane_name((enum lane)lane)) == 0)
                        return p->lanes[lane].waiting;
        return 0;
}

static bool any_trouble(const struct cli *c, const struct page *p)
{
        bool any = db_rows(p->troubles) > 0;
        for (size_t i = 0; i < LANE_COUNT; i++)
                any = any || left_lying(c, p, i) > 0;
        return any;
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
        for (size_t i = 0; i < LANE_COUNT; i++)
                if (left_lying(c, p, i) > 0)
                        printf("no worker serves the lane \"%s\", and %" PRId64
                               " messages wait in %s; start rollcall-worker\n",
                               lane_name((enum lane)i), left_lying(c, p, i), c->service->topics[i]);
        putchar('\n');
}

static json_t *troubles_json(const struct cli *c, const struct page *p)
{
        json_t *list = json_rows(p->troubles);
        for (size_t i = 0; i < LANE_COUNT; i++)
                if (left_lying(c, p, i) > 0) {
                        char what[80];
                        snprintf(what, sizeof what, "no worker: %s", lane_name((enum lane)i));
                        json_array_append_new(list, json_pack("{s:s, s:I}", "what", what, "waiting",
                                                              (json_int_t)left_lying(c, p, i)));
                }
        return list;
}

static int read_page(struct cli *c, struct page *p)
{
        int rc = ask_jobs(c, &p->jobs);
        if (rc == 0)
                rc = cli_query(
                        c,
                        "select left(run_id::text, 8) as run, pack || '.' || job as job, state, done, planned, "
                        "case when planned > 0 then done * 100 / planned else 0 end as percent from rollcall.run_progress "
                        "where rollcall.run_is_open(state) order by run_no",
                        NULL, 0, &p->open);
        if (rc == 0)
                rc = cli_query(
                        c,
                        "select left(run_id::text, 8) as run, pack || '.' || job as job, held_at, planned, reason, run_id from rollcall.run "
                        "where state = 'held for review' order by run_no",
                        NULL, 0, &p->held);
        if (rc == 0)
                rc = cli_query(
                        c,
                        "select at, type, subject, reason from rollcall.recent_error order by at desc limit 5",
                        NULL, 0, &p->errors);
        if (rc == 0)
                rc = cli_query(
                        c,
                        "select name, holder, expires_at > now() as alive, expires_at from rollcall.lease order by name",
                        NULL, 0, &p->leader);
        if (rc == 0)
                rc = types_paused(c, &p->paused);
        if (rc == 0)
                rc = ask_troubles(c, p);
        if (rc)
                return rc;
        newest_scan(&p->files, c->service->reports.folder, 0);
        p->lanes_rc = read_lanes(c, p->lanes);
        return 0;
}

static int print_page_json(struct cli *c, const struct page *p)
{
        json_t *packs = json_object();
        int rc = pack_pages(c, packs);
        if (rc) {
                json_decref(packs);
                return rc;
        }
        return print_json(
                json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "generated_at",
                          json_instant(instant_now()), "troubles", troubles_json(c, p), "jobs",
                          jobs_json(c, p->jobs), "open_runs", json_rows(p->open), "held_for_review",
                          json_rows(p->held), "paused_types", json_rows(p->paused), "errors",
                          json_rows(p->errors), "reports", newest_json(&p->files), "leader",
                          json_rows(p->leader), "lanes",
                          p->lanes_rc ? json_null() : lanes_json(c, p->lanes), "packs", packs));
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

/* What was asked for is printed; the code says whether it is well. */
static int verdict(const struct cli *c, const struct page *p)
{
        return p->lanes_rc ? p->lanes_rc : any_trouble(c, p) ? CODE_FAILED : CODE_OK;
}

int verb_status(struct cli *c, const struct args *a)
{
        static const char *const open_heads[] = { "RUN",     "JOB",      "STATE", "DONE",
                                                  "PLANNED", "PER CENT", NULL };
        static const char *const held_heads[] = { "RUN", "JOB", "SINCE", "PLANNED", "WHY", NULL };
        static const char *const error_heads[] = { "AT", "TYPE", "SUBJECT", "REASON", NULL };
        CLEANUP(page_deinit) struct page p = { 0 };
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
                return rc ? rc : verdict(c, &p);
        }
        print_troubles(c, &p);
        print_jobs(c, p.jobs);
        print_rows(c, "Open runs", p.open, open_heads, "None.");
        if (db_rows(p.held)) {
                print_rows(c, "Held for review", p.held, held_heads, "None.");
                puts("Nothing of them is done until: rollcall runs release RUN");
        }
        if (db_rows(p.paused)) {
                putchar('\n');
                print_title(c, "Paused task types");
                types_print(c, p.paused);
        }
        print_rows(c, "Last errors", p.errors, error_heads, "None.");
        newest_print(c, &p.files);
        print_leader(c, p.leader);
        if (p.lanes_rc == 0)
                print_lanes(c, p.lanes);
        rc = pack_pages(c, NULL);
        return rc ? rc : verdict(c, &p);
}
