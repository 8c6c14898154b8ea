#include "tasks.h"
#include "rollcall_statements.h"

#include "filing.h"

#include "base/utf8.h"
#include "codec/codec.h"
#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10, WAIT_MAX_MS = 500, QUIET_MS = 3000 };

/* Characters that no text of a task needs; `lines`: tabs and line ends are fine. Gives the byte, or
 * -1. */
static long bad_character(const char *text, bool lines)
{
        for (const unsigned char *p = (const unsigned char *)text; *p; p++)
                if ((*p < 0x20 && !(lines && (*p == '\t' || *p == '\n' || *p == '\r'))) ||
                    *p == 0x7f)
                        return (long)((const char *)p - text);
        return -1;
}

static int check_text(const char *what, const char *text, bool lines, struct err *e)
{
        long at = bad_character(text, lines);
        if (at >= 0)
                return err_set(e, ERR_INPUT, "", "%s has a control character (0x%02x) at byte %ld",
                               what, (unsigned char)text[at], at + 1);
        size_t len = strlen(text);
        for (size_t i = 0, n; i < len; i += n)
                if ((n = utf8_length(text + i, len - i)) == 0)
                        return err_set(e, ERR_INPUT, "", "%s is not UTF-8 at byte %zu", what,
                                       i + 1);
        return 0;
}

int draft_check(const struct draft *d, struct err *e)
{
        struct argument list[CODEC_ARGUMENTS_MAX];
        const struct task_type *t = d->type;
        struct task task = { .type = span_of(t->full_name),
                             .subject = span_of(d->subject),
                             .item = span_of(d->item),
                             .arguments = list };
        int64_t ignored;
        if (check_text("the subject", d->subject, false, e) < 0 ||
            check_text("the item", d->item, false, e) < 0)
                return -1;
        for (size_t i = 0; i < t->n_arguments; i++) {
                char what[100];
                snprintf(what, sizeof what, "argument %s", t->arguments[i].name);
                if (!d->values[i])
                        continue;
                if (task.n_arguments == CODEC_ARGUMENTS_MAX)
                        return err_set(e, ERR_INPUT, "", "more than %d arguments",
                                       CODEC_ARGUMENTS_MAX);
                if (check_text(what, d->values[i], true, e) < 0)
                        return -1;
                list[task.n_arguments++] = (struct argument){ span_of(t->arguments[i].name),
                                                              span_of(d->values[i]) };
        }
        return task_validate_form(&task, e) < 0 ? -1 : task_validate(t, &task, &ignored, e);
}

void tasks_act_for_others(const struct cli *c, const struct task_type *t, const char **values)
{
        for (size_t i = 0; c->actor_given && i < t->n_arguments; i++)
                if (t->arguments[i].for_others && !values[i])
                        values[i] = c->actor_given;
}

static void filed(void *ctx, size_t tasks, instant earlier)
{
        (void)tasks;
        *(instant *)ctx = earlier;
}

int draft_file(struct cli *c, const struct draft *d, instant *ret_earlier)
{
        int rc = cli_db(c);
        if (rc)
                return rc;
        *ret_earlier = INSTANT_NONE;
        struct filing *f CLEANUP(filing_cleanup) = filing_new(c, d->type, d->dry_run, filed,
                                                              ret_earlier);
        if (!f)
                return cli_oom();
        rc = filing_add(f, d);
        return rc ? rc : filing_finish(f);
}

int note_no_scheduler(struct cli *c)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = cli_query(
                c,
                "select exists (select from rollcall.lease where expires_at > clock_timestamp())",
                NULL, 0, &r);
        if (rc == 0 && !db_bool(r, 0, 0))
                cli_note(
                        "no scheduler is running: what was asked for waits in the database until one starts");
        return rc;
}

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
        fputs(paint(c, outcome ? outcome : ""), stdout);
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

bool outcome_fits(const struct db_result *r, int row, const struct draft *d)
{
        return strcmp(db_str(r, row, db_column(r, "type")), d->type->full_name) == 0 &&
               strcmp(db_str(r, row, db_column(r, "subject")), d->subject) == 0 &&
               strcmp(db_str(r, row, db_column(r, "item")), d->item) == 0 &&
               db_bool(r, row, db_column(r, "dry_run")) == d->dry_run;
}

int outcome_wait(struct cli *c, const struct draft *d, int64_t timeout_ms, struct db_result **ret)
{
        int64_t until = monotonic_ms() + timeout_ms, quiet_until = monotonic_ms() + QUIET_MS;
        char id[UUID_TEXT_LEN + 1];
        const char *param = id;
        bool noted = false;
        uuid_to_text(d->id, id);
        for (unsigned wait = WAIT_MS;;) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                int rc = cli_query(c, sql_task_outcome, &param, 1, &r);
                if (rc)
                        return rc;
                if (db_rows(r) && !outcome_fits(r, 0, d))
                        return cli_error(
                                CODE_FAILED,
                                "the task id %s was used before, for another task: nothing was done; give another id",
                                id);
                if (db_rows(r)) {
                        *ret = TAKE(r);
                        return 0;
                }
                if (monotonic_ms() >= until)
                        return cli_error(
                                CODE_TIMEOUT,
                                "no outcome of task %s after %lld s; it stays on the lane \"%s\" (is a worker serving it?)",
                                id, (long long)(timeout_ms / 1000), lane_name(d->type->lane));
                if (!noted && monotonic_ms() >= quiet_until) {
                        noted = true;
                        if ((rc = note_no_scheduler(c)))
                                return rc;
                }
                usleep(wait * 1000);
                wait = wait * 2 < WAIT_MAX_MS ? wait * 2 : WAIT_MAX_MS;
        }
}
