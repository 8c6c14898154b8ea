/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall tasks submit --csv`: a file's rows as ad-hoc tasks. */
#include "submit_csv.h"
#include "csv_outcomes.h"
#include "filing.h"
#include "output.h"
#include "submit_confirm.h"

#include <string.h>
#include <unistd.h>

enum { PROGRESS_ROWS = 10000 };

struct submission {
        struct csv_tasks file;
        size_t submitted, already,
                bad; /* rows: requested now; before, first at `earlier`; refused */
        instant earlier;
        instant begun; /* by the database's clock */
        int code;      /* the worst that a row came to */
};

static void submission_deinit(struct submission *s)
{
        csv_tasks_close(&s->file);
}

static void reject(struct submission *s, const struct err *e)
{
        size_t line = csv_tasks_line(&s->file);
        s->bad++;
        s->code = CODE_FAILED;
        if (s->file.cli->json)
                print_json_line(json_pack("{s:I, s:s, s:s}", "line", (json_int_t)line, "outcome",
                                          "rejected", "reason", e->text));
        else
                cli_note("line %zu: %s", line, e->text);
}

static void count_filed(void *ctx, size_t tasks, instant earlier)
{
        struct submission *s = ctx;
        *(earlier == INSTANT_NONE ? &s->submitted : &s->already) += tasks;
        if (earlier != INSTANT_NONE && s->earlier == INSTANT_NONE)
                s->earlier = earlier;
}

static int submit_rows(struct submission *s)
{
        struct csv_tasks *f = &s->file;
        bool terminal = isatty(STDERR_FILENO);
        size_t rows = 0;
        struct filing *filing CLEANUP(filing_cleanup) = filing_new(f->cli, f->type, f->dry_run,
                                                                   count_filed, s);
        int rc = filing ? csv_tasks_begin(f) : cli_oom();
        for (enum csv_row row = CSV_ROW_TASK; rc == 0 && row != CSV_ROW_END;) {
                struct err e = ERR_INIT;
                struct task_request q;
                row = csv_tasks_next(f, &q, &e);
                if (row == CSV_ROW_BAD)
                        reject(s, &e);
                if (row != CSV_ROW_TASK)
                        continue;
                rc = filing_add(filing, &q);
                if (terminal && ++rows % PROGRESS_ROWS == 0)
                        fprintf(stderr, "\r\033[K%zu rows", rows);
        }
        if (terminal && rows >= PROGRESS_ROWS)
                fputs("\r\033[K", stderr);
        int rest = filing ? filing_finish(filing) : 0;
        return rc ? rc : rest;
}

/* ---- the question before ---- */

static int count_good_rows(struct csv_tasks *f, size_t *ret)
{
        int rc = csv_tasks_begin(f);
        *ret = 0;
        for (enum csv_row row = CSV_ROW_TASK; rc == 0 && row != CSV_ROW_END;) {
                struct err e = ERR_INIT;
                struct task_request q;
                row = csv_tasks_next(f, &q, &e);
                *ret += row == CSV_ROW_TASK;
        }
        return rc;
}

static int confirm(struct csv_tasks *f, const struct args *a)
{
        char question[300];
        size_t rows;
        if (f->dry_run || args_on(a, "yes"))
                return 0;
        int rc = count_good_rows(f, &rows);
        if (rc)
                return rc;
        snprintf(question, sizeof question, "Submit %s for each of the %zu rows of %s?",
                 f->type->full_name, rows, args_get(a, "csv"));
        return submit_confirm(a, f->type, f->dry_run, question);
}

/* ---- the whole ---- */

static int note_begin(struct submission *s)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = cli_query(s->file.cli, "select clock_timestamp()", NULL, 0, &r);
        if (rc == 0)
                s->begun = db_instant(r, 0, 0);
        return rc;
}

static int print_summary(const struct submission *s)
{
        char earlier[INSTANT_TEXT_MAX] = "";
        if (s->already)
                format_instant(NULL, s->earlier, earlier);
        if (s->file.cli->json)
                print_json_line(json_pack("{s:I, s:I, s:I, s:s?}", "submitted",
                                          (json_int_t)s->submitted, "already",
                                          (json_int_t)s->already, "rejected", (json_int_t)s->bad,
                                          "asked_for_at", s->already ? earlier : NULL));
        else if (s->already)
                printf("%zu submitted, %zu requested already on %s and not done again, %zu "
                       "rejected\n",
                       s->submitted, s->already, earlier, s->bad);
        else
                printf("%zu submitted, %zu rejected\n", s->submitted, s->bad);
        return s->code;
}

int submit_csv(struct cli *c, const struct args *a, const struct task_type *type,
               const char *const *fixed, int64_t timeout_ms)
{
        struct submission s CLEANUP(submission_deinit) = {
                .file = { .cli = c,
                          .type = type,
                          .fixed = fixed,
                          .dry_run = args_on(a, "dry-run"),
                          .label = args_get(a, "again") },
                .earlier = INSTANT_NONE,
        };
        int rc = csv_tasks_open(&s.file, args_get(a, "csv"));
        if (rc == 0)
                rc = confirm(&s.file, a);
        if (rc == 0)
                rc = cli_db(c);
        if (rc == 0)
                rc = note_begin(&s);
        if (rc == 0)
                rc = submit_rows(&s);
        if (rc == 0 && args_on(a, "wait"))
                rc = csv_outcomes_wait(&s.file, s.begun, timeout_ms, &s.code);
        else if (rc == 0 && s.submitted)
                rc = cli_note_no_scheduler(c);
        return rc ? rc : print_summary(&s);
}
