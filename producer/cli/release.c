/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall runs release`: a run that is held for review is published after all. */
#include "extent.h"
#include "output.h"
#include "run_ref.h"
#include "commands.h"
#include "rollcall_statements.h"

#include "ledger/ledger.h"

#include <inttypes.h>
#include <string.h>

static void print_kinds(const struct db_result *kinds, const struct db_result *run)
{
        char count[32], population[32];
        for (int i = 0; i < db_rows(kinds); i++) {
                number_format(db_int(kinds, i, 1), count);
                fprintf(stderr, "  %s: %s tasks%s\n", db_str(kinds, i, 0), count,
                        db_bool(kinds, i, 2) ? " (dry run)" : "");
        }
        if (!db_null(run, 0, 4)) {
                number_format(db_int(run, 0, 4), population);
                fprintf(stderr, "  population: %s\n", population);
        }
}

static int show_held_run(struct cli *c, const struct run_ref *run)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL,
                            *kinds CLEANUP(db_result_cleanup) = NULL;
        char run_no[24], at[INSTANT_TEXT_MAX];
        const char *param = run_no;
        snprintf(run_no, sizeof run_no, "%" PRId64, run->run_no);
        int rc = cli_query(c, sql_run_held, &param, 1, &r);
        if (rc == 0)
                rc = cli_query(c, sql_run_kinds, &param, 1, &kinds);
        if (rc)
                return rc;
        if (db_rows(r) != 1 || strcmp(db_str(r, 0, 0), run_state_name(RUN_HELD)) != 0)
                return cli_error(CODE_REFUSED,
                                 "run %s is %s: only a run that is held for review is released",
                                 run->id, db_rows(r) ? db_str(r, 0, 0) : "gone");
        format_instant(NULL, db_instant(r, 0, 3), at);
        fprintf(stderr, "Run %s of %s has been held for review since %s: %s.\n", run->id,
                db_str(r, 0, 2), at, db_str(r, 0, 1));
        print_kinds(kinds, r);
        return 0;
}

int verb_runs_release(struct cli *c, const struct args *a)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct run_ref run;
        int rc = cli_db(c);
        if (rc == 0)
                rc = run_find(c, args_operand(a, 0), &run);
        if (rc == 0)
                rc = show_held_run(c, &run);
        if (rc == 0 && !args_on(a, "yes"))
                rc = cli_confirm("Release it?");
        if (rc)
                return rc;
        const char *params[] = { run.id, c->actor_given };
        rc = cli_query(c, "select rollcall.release_run($1::uuid, $2)", params, ARRAY_LEN(params),
                       &r);
        if (rc)
                return rc;
        if (!db_bool(r, 0, 0))
                return cli_error(CODE_REFUSED, "run %s is not held for review any more", run.id);
        if (c->json)
                return print_json(json_pack("{s:s, s:b}", "run_id", run.id, "released", true));
        printf("run %s: released, the scheduler publishes it (follow it: rollcall runs watch "
               "%.8s)\n",
               run.id, run.id);
        return CODE_OK;
}
