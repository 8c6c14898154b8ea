/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall runs`: list, show, watch, cancel and republish. */
#include "output.h"
#include "run_follow.h"
#include "run_print.h"
#include "lookup.h"
#include "commands.h"
#include "rollcall_statements.h"

#include "ledger/ledger.h"

#include <inttypes.h>
#include <string.h>

static int open_runs(struct cli *c)
{
        int rc = cli_packs(c); /* for the jobs' time zones */
        return rc ? rc : cli_db(c);
}

static void list_row(const struct cli *c, const struct db_result *r, int i, struct table *t)
{
        char at[INSTANT_TEXT_MAX];
        format_instant(
                job_zone(c, db_str(r, i, db_column(r, "pack")), db_str(r, i, db_column(r, "job"))),
                db_instant(r, i, db_column(r, "scheduled_at")), at);
        table_addf(t, "%.8s", db_str(r, i, db_column(r, "run_id")));
        table_addf(t, "%s.%s", db_str(r, i, db_column(r, "pack")),
                   db_str(r, i, db_column(r, "job")));
        table_add(t, at);
        table_addf(t, "%s%s", db_str(r, i, db_column(r, "cause")),
                   db_bool(r, i, db_column(r, "dry_run")) ? ", dry run" : "");
        table_add(t, db_str(r, i, db_column(r, "state")));
        static const char *const counts[] = { "planned", "applied", "skipped", "errors" };
        for (size_t k = 0; k < ARRAY_LEN(counts); k++)
                table_add(t, db_str(r, i, db_column(r, counts[k])));
        table_add(t, db_str(r, i, db_column(r, "reason")));
}

int verb_runs_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "RUN",     "JOB",     "SCHEDULED AT",
                                             "CAUSE",   "STATE",   "PLANNED",
                                             "APPLIED", "SKIPPED", "ERRORS",
                                             "REASON",  NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char limit[24];
        enum run_state state = RUN_REQUESTED;
        int64_t n;
        if (args_get(a, "state") && !run_state_parse(args_get(a, "state"), &state))
                return cli_error(
                        CODE_USAGE,
                        "runs list: --state \"%s\" is no state of a run; see: rollcall runs list "
                        "--help",
                        args_get(a, "state"));
        int rc = args_number(a, "limit", 20, 1, 100000, &n);
        if (rc == 0)
                rc = open_runs(c);
        if (rc)
                return rc;
        snprintf(limit, sizeof limit, "%" PRId64, n);
        const char *params[] = { args_get(a, "job"),
                                 args_get(a, "state") ? run_state_name(state) : NULL, limit };
        rc = cli_query(c, sql_runs_list, params, ARRAY_LEN(params), &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_rows(r));
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (int i = 0; i < db_rows(r); i++)
                list_row(c, r, i, &t);
        table_print(c, &t);
        return CODE_OK;
}

int verb_runs_show(struct cli *c, const struct args *a)
{
        struct run_ref r;
        struct run_show show = { .missing = args_on(a, "missing"),
                                 .outcome = args_get(a, "outcome") };
        enum outcome known;
        if (show.outcome && strcmp(show.outcome, "pending") != 0 &&
            strcmp(show.outcome, "waiting") != 0 && !outcome_parse(span_of(show.outcome), &known))
                return cli_error(
                        CODE_USAGE,
                        "runs show: --outcome \"%s\" is no outcome; see: rollcall runs show --help",
                        show.outcome);
        int rc = args_number(a, "limit", 50, 1, 10000000, &show.limit);
        if (rc == 0)
                rc = open_runs(c);
        if (rc == 0)
                rc = run_find(c, args_operand(a, 0), &r);
        return rc ? rc : run_print(c, &r, &show);
}

int verb_runs_watch(struct cli *c, const struct args *a)
{
        const struct run_show show = { .limit = 50 };
        struct run_ref r;
        int64_t timeout;
        int rc = args_duration(a, "timeout", -1, &timeout);
        if (rc == 0)
                rc = open_runs(c);
        if (rc == 0)
                rc = run_find(c, args_operand(a, 0), &r);
        if (rc)
                return rc;
        int end = run_follow(c, &r, timeout);
        rc = end == CODE_UNREACHABLE ? 0 : run_print(c, &r, &show);
        return rc ? rc : end;
}

/* ---- cancel ---- */

static int confirm_cancel(struct cli *c, const struct args *a, const struct run_ref *run)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *id = run->id;
        char question[400];
        enum run_state state;
        int rc = cli_query(c, sql_run_cancel_preview, &id, 1, &r);
        if (rc)
                return rc;
        if (db_rows(r) == 0 || !run_state_parse(db_str(r, 0, 0), &state))
                return cli_error(CODE_NOT_FOUND, "run %s is gone from the database", run->id);
        if (!run_state_open(state))
                return cli_error(CODE_REFUSED, "run %s is closed already: %s", run->id,
                                 db_str(r, 0, 0));
        if (args_on(a, "yes"))
                return 0;
        snprintf(question, sizeof question, "Cancel run %.8s of %s (%s, %s of %s tasks done)?",
                 run->id, db_str(r, 0, 1), db_str(r, 0, 0), db_str(r, 0, 2), db_str(r, 0, 3));
        return cli_confirm(question);
}

int verb_runs_cancel(struct cli *c, const struct args *a)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct run_ref run;
        const char *reason = args_get(a, "reason");
        if (reason && !reason[strspn(reason, " \t")])
                return cli_error(CODE_USAGE, "runs cancel: --reason is empty: give a reason, or "
                                             "leave the option out");
        int rc = cli_db(c);
        if (rc == 0)
                rc = run_find(c, args_operand(a, 0), &run);
        if (rc == 0)
                rc = confirm_cancel(c, a, &run);
        if (rc)
                return rc;
        const char *params[] = { run.id, reason, c->actor_given };
        rc = cli_query(c, "select rollcall.cancel_run($1::uuid, $2, $3)", params, ARRAY_LEN(params),
                       &r);
        if (rc)
                return rc;
        if (!db_bool(r, 0, 0))
                return cli_error(CODE_REFUSED, "run %s was closed just now: nothing was cancelled",
                                 run.id);
        const struct run_show show = { .limit = 50 };
        if (!c->json)
                printf("cancelled run %s\n", run.id);
        return run_print(c, &run, &show);
}

/* ---- republish ---- */

int verb_runs_republish(struct cli *c, const struct args *a)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL,
                            *state CLEANUP(db_result_cleanup) = NULL;
        struct run_ref run;
        int rc = cli_db(c);
        if (rc == 0)
                rc = run_find(c, args_operand(a, 0), &run);
        if (rc)
                return rc;
        const char *id = run.id;
        const char *params[] = { id, c->actor_given };
        rc = cli_query(c, "select state from rollcall.run where run_id = $1::uuid", &id, 1, &state);
        if (rc)
                return rc;
        if (db_rows(state) == 0 || (strcmp(db_str(state, 0, 0), "planned") != 0 &&
                                    strcmp(db_str(state, 0, 0), "published") != 0))
                return cli_error(
                        CODE_REFUSED,
                        "run %s is %s: only a run that is planned or published can be republished",
                        run.id, db_rows(state) ? db_str(state, 0, 0) : "gone");
        rc = cli_query(c, "select chunks from rollcall.republish_run($1::uuid, $2)", params,
                       ARRAY_LEN(params), &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_pack("{s:s, s:I}", "run_id", run.id, "chunks",
                                            (json_int_t)db_int(r, 0, 0)));
        printf("run %s: the scheduler republishes its %s chunks, with the same ids\n", run.id,
               db_str(r, 0, 0));
        return CODE_OK;
}
