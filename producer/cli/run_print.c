/* SPDX-License-Identifier: Apache-2.0 */
/* All about one run. */
#include "output.h"
#include "run_print.h"
#include "lookup.h"
#include "rollcall_statements.h"

#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct parts { /* what was asked of the database about a run */
        struct db_result *head, *reasons, *changes, *subjects, *missing, *paused, *touched;
};

static void parts_deinit(struct parts *p)
{
        db_result_free(p->head);
        db_result_free(p->reasons);
        db_result_free(p->paused);
        db_result_free(p->changes);
        db_result_free(p->touched);
        db_result_free(p->subjects);
        db_result_free(p->missing);
}

/* What the list of subjects is for: problems unless an outcome was named. */
static int ask_subjects(struct cli *c, const char *run_no, const char *limit,
                        const struct run_show *show, struct db_result **ret)
{
        const char *params[] = { run_no, limit, show->outcome };
        return cli_query(c, sql_run_subjects, params, ARRAY_LEN(params), ret);
}

static int64_t head_number(const struct parts *p, const char *column)
{
        return db_int(p->head, 0, db_column(p->head, column));
}

/* Whether the list of what failed has anything in it: else no row need be looked at. */
static bool any_problem(const struct parts *p)
{
        return head_number(p, "failed") + head_number(p, "quarantined") +
                       head_number(p, "unknown") >
               0;
}

static int read_parts(struct cli *c, const struct run_ref *run, const struct run_show *show,
                      struct parts *ret)
{
        char run_no[24], limit[24];
        snprintf(run_no, sizeof run_no, "%" PRId64, run->run_no);
        snprintf(limit, sizeof limit, "%" PRId64, show->limit);
        const char *params[] = { run_no, limit };
        int rc = cli_query(c, sql_run_head, params, 1, &ret->head);
        if (rc == 0 && db_rows(ret->head) == 0)
                return cli_error(CODE_NOT_FOUND, "run %s is gone from the database", run->id);
        if (rc == 0)
                rc = cli_query(c, sql_run_reasons, params, 2, &ret->reasons);
        if (rc == 0)
                rc = cli_query(c, sql_run_paused_types, params, 1, &ret->paused);
        if (rc == 0)
                rc = cli_query(c, sql_run_touched, params, 1, &ret->touched);
        if (rc == 0 && db_bool(ret->head, 0, db_column(ret->head, "dry_run")))
                rc = cli_query(c, sql_run_changes, params, 2, &ret->changes);
        if (rc == 0 && (show->outcome || any_problem(ret)))
                rc = ask_subjects(c, run_no, limit, show, &ret->subjects);
        if (rc == 0 && show->missing)
                rc = cli_query(c, sql_run_missing, params, 2, &ret->missing);
        return rc;
}

static int print_as_json(const struct parts *p)
{
        json_t *o = json_row(p->head, 0);
        bool complete = head_number(p, "planned") == head_number(p, "done");
        json_object_set_new(o, "complete", json_boolean(complete));
        json_object_set_new(o, "reasons", json_rows(p->reasons));
        json_object_set_new(o, "paused_types", json_rows(p->paused));
        json_object_set_new(o, "touched", json_rows(p->touched));
        if (p->changes)
                json_object_set_new(o, "changes", json_rows(p->changes));
        json_object_set_new(o, "subjects", p->subjects ? json_rows(p->subjects) : json_array());
        if (p->missing)
                json_object_set_new(o, "missing", json_rows(p->missing));
        return print_json(o);
}

static void print_time(const struct cli *c, const struct parts *p, const char *label,
                       const char *column)
{
        char text[INSTANT_TEXT_MAX];
        const struct zone *z = job_zone(c, db_str(p->head, 0, db_column(p->head, "pack")),
                                        db_str(p->head, 0, db_column(p->head, "job")));
        format_instant(z, db_instant(p->head, 0, db_column(p->head, column)), text);
        if (*text)
                printf("%-13s %s\n", label, text);
}

static void print_proof(const struct cli *c, const struct parts *p)
{
        int64_t planned = head_number(p, "planned"), done = head_number(p, "done");
        bool digest = db_bool(p->head, 0, db_column(p->head, "digest_matches"));
        if (db_null(p->head, 0, db_column(p->head, "planned_at"))) {
                printf("%-13s nothing was planned%s\n", "proof",
                       db_null(p->head, 0, db_column(p->head, "closed_at")) ? " yet" : "");
                return;
        }
        printf("%-13s %" PRId64 " (%" PRId64 " of them follow-ups)\n", "planned", planned,
               head_number(p, "spawned"));
        printf("%-13s %" PRId64 " = %" PRId64 " applied + %" PRId64 " skipped + %" PRId64
               " failed + %" PRId64 " quarantined + %" PRId64 " unknown\n",
               "done", done, head_number(p, "applied"), head_number(p, "skipped"),
               head_number(p, "failed"), head_number(p, "quarantined"), head_number(p, "unknown"));
        if (planned == done && digest)
                printf("%-13s %s: every planned task has its outcome, and the digests of the ids "
                       "agree\n",
                       "proof", word_colored(c, "ok"));
        else if (planned == done)
                printf("%-13s %s: the counts agree, the digests of the ids do not\n", "proof",
                       word_colored(c, "no"));
        else if (!db_null(p->head, 0, db_column(p->head, "closed_at")))
                printf("%-13s %s: %" PRId64
                       " tasks have no outcome: what is not published is not done (--missing "
                       "lists them)\n",
                       "proof", word_colored(c, "no"), planned - done);
        else
                printf("%-13s %s: %" PRId64
                       " tasks without an outcome so far (--missing lists them)\n",
                       "proof", word_colored(c, "no"), planned - done);
}

/* Loudly where a table had more rows changed than there are tasks: children that go with their
 * parent, or people that nobody asked about. */
static void print_touched(const struct cli *c, const struct db_result *r)
{
        static const char *const verbs[] = { "inserted", "updated", "deleted" };
        for (int i = 0; i < db_rows(r); i++) {
                const char *comma = ": ";
                printf("%-13s %s", i ? "" : "rows touched", db_str(r, i, 1));
                for (int k = 0; k < 3; k++)
                        if (db_int(r, i, 2 + k)) {
                                printf("%s%" PRId64 " %s", comma, db_int(r, i, 2 + k), verbs[k]);
                                comma = ", ";
                        }
                printf(", for %" PRId64 " tasks of %s%s%s\n", db_int(r, i, 5), db_str(r, i, 0),
                       db_bool(r, i, 6) ? "  " : "",
                       db_bool(r, i, 6) ? word_colored(c, "MORE ROWS THAN TASKS") : "");
        }
}

static void print_head(const struct cli *c, const struct parts *p)
{
        const struct db_result *h = p->head;
        const char *reason = db_str(h, 0, db_column(h, "reason")),
                   *settings = db_str(h, 0, db_column(h, "settings"));
        printf("%-13s %s\n", "run", db_str(h, 0, db_column(h, "run_id")));
        printf("%-13s %s.%s%s\n", "job", db_str(h, 0, db_column(h, "pack")),
               db_str(h, 0, db_column(h, "job")),
               db_bool(h, 0, db_column(h, "dry_run")) ? " (dry run: nothing was changed)" : "");
        printf("%-13s %s%s", "state", word_colored(c, db_str(h, 0, db_column(h, "state"))),
               *reason ? ": " : "");
        print_clean(stdout, reason);
        putchar('\n');
        printf("%-13s %s, by ", "cause", db_str(h, 0, db_column(h, "cause")));
        print_clean(stdout, db_str(h, 0, db_column(h, "requested_by")));
        if (!db_null(h, 0, db_column(h, "requested_for"))) {
                fputs(" for ", stdout);
                print_clean(stdout, db_str(h, 0, db_column(h, "requested_for")));
        }
        putchar('\n');
        if (strcmp(settings, "{}") != 0)
                printf("%-13s %s\n", "settings", settings);
        print_time(c, p, "scheduled at", "scheduled_at");
        print_time(c, p, "requested at", "requested_at");
        print_time(c, p, "published at", "published_at");
        if (strcmp(db_str(h, 0, db_column(h, "state")), run_state_name(RUN_HELD)) == 0)
                printf("%-13s rollcall runs release %.8s\n", "to release",
                       db_str(h, 0, db_column(h, "run_id")));
        if (!db_null(h, 0, db_column(h, "released_by"))) {
                print_time(c, p, "released at", "released_at");
                printf("%-13s ", "released by");
                print_clean(stdout, db_str(h, 0, db_column(h, "released_by")));
                putchar('\n');
        }
        print_time(c, p, "closed at", "closed_at");
        print_proof(c, p);
        print_touched(c, p->touched);
        for (int i = 0; i < db_rows(p->paused); i++) {
                printf("%-13s ", "waits");
                print_clean(stdout, db_str(p->paused, i, 0));
                printf(" is paused: ");
                print_clean(stdout, db_str(p->paused, i, 2));
                putchar('\n');
        }
}

/* A result as a table under a title; nothing when it is empty. `heads` names its columns in order.
 */
static void print_list(const struct cli *c, const char *title, const struct db_result *r,
                       const char *const *heads, int64_t limit)
{
        if (!r || db_rows(r) == 0)
                return;
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (int i = 0; i < db_rows(r); i++)
                for (int k = 0; k < (int)t.columns; k++)
                        table_add(&t, db_str(r, i, k));
        putchar('\n');
        print_title(c, title);
        table_print(c, &t);
        if (db_rows(r) == limit)
                printf("(the first %" PRId64 "; --limit N shows more)\n", limit);
}

int run_print(struct cli *c, const struct run_ref *run, const struct run_show *show)
{
        static const char *const reasons[] = { "TYPE", "OUTCOME", "REASON", "COUNT", NULL };
        static const char *const changes[] = { "TYPE",  "SUBJECT", "ITEM", "BEFORE",
                                               "AFTER", "REASON",  NULL };
        static const char *const subjects[] = { "TYPE",   "SUBJECT", "ITEM",  "OUTCOME",
                                                "REASON", "BEFORE",  "AFTER", NULL };
        static const char *const missing[] = { "TYPE", "SUBJECT", "ITEM", NULL };
        struct parts p CLEANUP(parts_deinit) = { 0 };
        int rc = read_parts(c, run, show, &p);
        if (rc)
                return rc;
        if (c->json)
                return print_as_json(&p);
        print_head(c, &p);
        print_list(c, "Outcomes by reason", p.reasons, reasons, show->limit);
        print_list(c, "What would change", p.changes, changes, show->limit);
        print_list(c, show->outcome ? "Subjects with that outcome" : "What failed", p.subjects,
                   subjects, show->limit);
        print_list(c, "Without an outcome", p.missing, missing, show->limit);
        if (show->missing && db_rows(p.missing) == 0)
                printf("\nNothing is missing.\n");
        return CODE_OK;
}
