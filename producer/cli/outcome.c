/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes of ad-hoc tasks. */
#include "outcome.h"
#include "output.h"
#include "rollcall_statements.h"

#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10, WAIT_MAX_MS = 500, QUIET_MS = 3000 };

int outcome_code(const char *outcome)
{
        if (strcmp(outcome, "applied") == 0 || strcmp(outcome, "send") == 0)
                return CODE_OK;
        return strcmp(outcome, "skipped") == 0 ? CODE_REFUSED : CODE_FAILED;
}

/* The column's text; NULL when there is none or it is NULL. */
static const char *text_of(const struct db_result *r, int row, const char *column)
{
        int col = db_column(r, column);
        return col < 0 || db_null(r, row, col) ? NULL : db_str(r, row, col);
}

void outcome_print_row(const struct cli *c, const struct db_result *r, int row)
{
        const char *outcome = text_of(r, row, "outcome"), *reason = text_of(r, row, "reason");
        const char *before = text_of(r, row, "before"), *after = text_of(r, row, "after");
        fputs(word_colored(c, outcome ? outcome : ""), stdout);
        if (reason && *reason) {
                fputs(": ", stdout);
                print_clean(stdout, reason);
        }
        /* a change is shown when there is one */
        if ((before || after) && outcome && outcome_code(outcome) == CODE_OK) {
                fputs(" (", stdout);
                print_clean(stdout, before ? before : "nothing");
                fputs(" → ", stdout);
                print_clean(stdout, after ? after : "nothing");
                putchar(')');
        }
        putchar('\n');
}

void outcome_print(const struct cli *c, const char *label, const struct db_result *r)
{
        print_clean(stdout, label);
        fputs(": ", stdout);
        outcome_print_row(c, r, 0);
}

bool outcome_is_of(const struct db_result *r, int row, const struct task_request *q)
{
        return strcmp(db_str(r, row, db_column(r, "type")), q->type->full_name) == 0 &&
               strcmp(db_str(r, row, db_column(r, "subject")), q->subject) == 0 &&
               strcmp(db_str(r, row, db_column(r, "item")), q->item) == 0 &&
               db_bool(r, row, db_column(r, "dry_run")) == q->dry_run;
}

int outcome_wait(struct cli *c, const struct task_request *q, int64_t timeout_ms,
                 struct db_result **ret)
{
        int64_t until = monotonic_ms() + timeout_ms, quiet_until = monotonic_ms() + QUIET_MS;
        char id[UUID_TEXT_LEN + 1];
        const char *param = id;
        bool reported = false;
        uuid_to_text(q->id, id);
        for (unsigned wait = WAIT_MS;;) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                int rc = cli_query(c, sql_task_outcome, &param, 1, &r);
                if (rc)
                        return rc;
                if (db_rows(r) && !outcome_is_of(r, 0, q))
                        return cli_error(
                                CODE_FAILED,
                                "the task id %s was used before, for another task: nothing was "
                                "done; give another id",
                                id);
                if (db_rows(r)) {
                        *ret = TAKE(r);
                        return 0;
                }
                if (monotonic_ms() >= until)
                        return cli_error(
                                CODE_TIMEOUT,
                                "no outcome of task %s after %lld s; it stays on the lane \"%s\" "
                                "(is a worker serving it?)",
                                id, (long long)(timeout_ms / 1000), lane_name(q->type->lane));
                if (!reported && monotonic_ms() >= quiet_until) {
                        reported = true;
                        if ((rc = cli_note_no_scheduler(c)))
                                return rc;
                }
                usleep(wait * 1000);
                wait = wait * 2 < WAIT_MAX_MS ? wait * 2 : WAIT_MAX_MS;
        }
}
