/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a run: progress on standard error, the end as an exit code. */
#include "output.h"
#include "run_follow.h"
#include "rollcall_statements.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 250, UNSEEN_MS = 10000 };

struct follow {
        struct cli *cli;
        const struct run_ref *run;
        bool terminal, shown, hinted;
        char last[300];
        int64_t started;
};

int run_state_code(enum run_state state)
{
        static const enum exit_code codes[RUN_STATE_COUNT] = {
                [RUN_HELD] = CODE_REFUSED,    [RUN_COMPLETED_WITH_ERRORS] = CODE_FAILED,
                [RUN_FAILED] = CODE_FAILED,   [RUN_CANCELLED] = CODE_REFUSED,
                [RUN_REFUSED] = CODE_REFUSED,
        };
        return codes[state];
}

/* Nothing more happens by itself. */
static bool at_rest(enum run_state state)
{
        return !run_state_open(state) || state == RUN_HELD;
}

static void show_progress(struct follow *f, const struct db_result *r)
{
        char line[300];
        int64_t planned = db_int(r, 0, 1), done = db_int(r, 0, 2);
        const char *state = db_str(r, 0, 0);
        if (strcmp(state, "requested") == 0)
                snprintf(line, sizeof line, "run %.8s: requested", f->run->id);
        else
                snprintf(line, sizeof line,
                         "run %.8s: %s, %" PRId64 " of %" PRId64
                         " done (%d %%), %s applied, %s skipped, %s with errors",
                         f->run->id, state, done, planned,
                         planned ? (int)(done * 100 / planned) : 100, db_str(r, 0, 3),
                         db_str(r, 0, 4), db_str(r, 0, 5));
        if (strcmp(line, f->last) == 0)
                return;
        fprintf(stderr, f->terminal ? "\r\033[K%s" : "%s\n", line);
        fflush(stderr);
        f->shown = true;
        snprintf(f->last, sizeof f->last, "%s", line);
}

/* Nobody starts it: is there a scheduler? */
static void note_no_start(struct follow *f, const char *state)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (f->hinted || strcmp(state, "requested") != 0 || monotonic_ms() - f->started < UNSEEN_MS)
                return;
        f->hinted = true;
        if (db_query(f->cli->db,
                     "select holder from rollcall.lease where expires_at > now() limit 1", NULL, &r,
                     &e) < 0)
                return;
        if (f->terminal)
                fputc('\n', stderr);
        if (db_rows(r) == 0)
                cli_note("no scheduler is running: the run waits until one is started "
                         "(rollcall-scheduler)");
        else
                cli_note("the scheduler %s has not planned the run yet", db_str(r, 0, 0));
}

int run_follow(struct cli *c, const struct run_ref *run, int64_t timeout_ms)
{
        struct follow f = {
                .cli = c, .run = run, .terminal = isatty(STDERR_FILENO), .started = monotonic_ms()
        };
        int rc = CODE_OK;
        for (bool open = true; open;) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                const char *id = run->id;
                rc = cli_query(c, sql_run_follow, &id, 1, &r);
                if (rc)
                        return rc;
                if (db_rows(r) == 0)
                        return cli_error(CODE_NOT_FOUND, "run %s is gone from the database",
                                         run->id);
                show_progress(&f, r);
                enum run_state state;
                if (!run_state_parse(db_str(r, 0, 0), &state))
                        return cli_error(
                                CODE_FAILED,
                                "run %s is in a state that this program does not know: \"%s\"",
                                run->id, db_str(r, 0, 0));
                rc = run_state_code(state);
                open = !at_rest(state);
                if (open && timeout_ms >= 0 && monotonic_ms() - f.started >= timeout_ms) {
                        rc = CODE_TIMEOUT;
                        break;
                }
                note_no_start(&f, db_str(r, 0, 0));
                if (open)
                        usleep(POLL_MS * 1000);
        }
        if (f.terminal && f.shown)
                fputc('\n', stderr);
        if (rc == CODE_TIMEOUT)
                cli_note("stopped waiting after %" PRId64
                         " s; the run continues (rollcall runs watch %.8s)",
                         timeout_ms / 1000, run->id);
        return rc;
}
