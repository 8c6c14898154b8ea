/*
 * A CSV file as ad-hoc tasks, in memory that does not grow with the file: it is read once for its
 * hash, once to submit, and with --wait once more to ask for outcomes by the ids that follow from
 * hash and row.
 */
#include "csv.h"
#include "filing.h"
#include "tasks.h"
#include "rollcall_statements.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Asking takes a tenth of the time at most: the workers need the database. */
enum {
        WINDOW = 5000,
        POLL_MS = 200,
        POLL_MAX_MS = 1000,
        ASKING_SHARE = 10,
        PARAMS_MAX = 1024 * 1024
};

struct file {
        struct cli *cli;
        const struct task_type *type;
        const char *const *fixed; /* --set: for empty cells */
        FILE *stream;
        struct uuid space; /* of the task ids */
        int subject, item; /* columns; item -1: none */
        int *columns;      /* of the arguments, -1: none */
        size_t n_columns;
        const char **values;
        bool dry_run;
        const char *again; /* the same file asked for anew, under this label; NULL: not */
        /* good: asked for now; already: earlier, at first at `earlier` */
        size_t row, good, already, bad;
        instant earlier;
        instant begun; /* by the database's clock: outcomes before it were there already */
        int code;      /* the worst that a row came to */
};

/* The hash is a chain of UUIDv5 over the blocks, the type, what --set gave and whether it is a dry
 * run: another request has other ids. */
static int hash(struct file *f)
{
        static const struct uuid root = { { 0x5f, 0x1b, 0x8d, 0x0e, 0x0c, 0x35, 0x47, 0x52, 0x9a,
                                            0x6e, 0x3c, 0x27, 0xd4, 0x61, 0xb0, 0x93 } };
        char block[65536];
        f->space = uuid_v5(root, f->type->full_name, strlen(f->type->full_name));
        for (size_t n; (n = fread(block, 1, sizeof block, f->stream)) > 0;)
                f->space = uuid_v5(f->space, block, n);
        if (ferror(f->stream))
                return cli_error(CODE_FAILED, "tasks submit: --csv: reading failed: %s",
                                 strerror(errno));
        for (size_t i = 0; i < f->type->n_arguments; i++)
                f->space = uuid_v5(f->space, f->fixed[i] ? f->fixed[i] : "",
                                   f->fixed[i] ? strlen(f->fixed[i]) + 1 : 0);
        f->space = uuid_v5(f->space, &f->dry_run, 1);
        if (f->again)
                f->space = uuid_v5(f->space, f->again, strlen(f->again));
        return 0;
}

/* Standard input is kept in a temporary file, since it is read more than once. */
static int open_stream(const char *path, FILE **ret)
{
        if (strcmp(path, "-") != 0) {
                *ret = fopen(path, "re");
                return *ret ? 0
                            : cli_error(CODE_NOT_FOUND, "tasks submit: --csv %s: %s", path,
                                        strerror(errno));
        }
        char block[65536];
        FILE *copy = tmpfile();
        for (size_t n; copy && (n = fread(block, 1, sizeof block, stdin)) > 0;)
                if (fwrite(block, 1, n, copy) != n)
                        break;
        if (!copy || ferror(copy) || ferror(stdin) || fflush(copy) != 0) {
                if (copy)
                        fclose(copy);
                return cli_error(CODE_FAILED,
                                 "tasks submit: --csv -: keeping standard input failed: %s",
                                 strerror(errno));
        }
        rewind(copy);
        *ret = copy;
        return 0;
}

static int read_header(struct file *f, const char *const *fields, size_t n)
{
        f->n_columns = n;
        f->subject = f->item = -1;
        for (size_t i = 0; i < f->type->n_arguments; i++)
                f->columns[i] = -1;
        for (size_t i = 0; i < n; i++) {
                size_t k = 0;
                while (k < f->type->n_arguments &&
                       strcmp(fields[i], f->type->arguments[k].name) != 0 &&
                       !flag_is(fields[i], f->type->arguments[k].name))
                        k++;
                int *at = k < f->type->n_arguments            ? &f->columns[k]
                          : strcmp(fields[i], "subject") == 0 ? &f->subject
                          : strcmp(fields[i], "item") == 0    ? &f->item
                                                              : NULL;
                if (!at)
                        return cli_error(
                                CODE_USAGE,
                                "tasks submit: --csv: column \"%.100s\" is neither subject, item nor an argument of %s",
                                fields[i], f->type->full_name);
                if (*at >= 0)
                        return cli_error(
                                CODE_USAGE,
                                "tasks submit: --csv: column \"%.100s\" stands twice in the first line",
                                fields[i]);
                *at = (int)i;
        }
        return f->subject < 0
                       ? cli_error(
                                 CODE_USAGE,
                                 "tasks submit: --csv: the first line must name the columns, with \"subject\" among them")
                       : 0;
}

static int begin(struct file *f, struct csv **ret)
{
        struct err e = ERR_INIT;
        const char *const *fields;
        size_t n;
        rewind(f->stream);
        f->row = 0;
        struct csv *c CLEANUP(csv_cleanup) = csv_new(f->stream);
        if (!c)
                return cli_oom();
        int rc = csv_next(c, &fields, &n, &e);
        if (rc <= 0)
                return cli_error(CODE_USAGE,
                                 "tasks submit: --csv: the first line must name the columns: %s",
                                 rc < 0 ? e.text : "the file is empty");
        rc = read_header(f, fields, n);
        if (rc == 0)
                *ret = TAKE(c);
        return rc;
}

/* The next row as a draft: 1, 0 at the end, -1 when the row is bad. Its id follows from the row's
 * number. */
static int next(struct file *f, struct csv *c, struct draft *ret, struct err *e)
{
        const char *const *fields;
        char name[32];
        size_t n;
        int rc = csv_next(c, &fields, &n, e);
        if (rc == 0)
                return 0;
        snprintf(name, sizeof name, "%zu", ++f->row);
        if (rc < 0)
                return -1;
        if (n != f->n_columns)
                return err_set(e, ERR_INPUT, "", "it has %zu fields, the first line has %zu", n,
                               f->n_columns);
        for (size_t i = 0; i < f->type->n_arguments; i++) {
                const char *cell = f->columns[i] >= 0 && *fields[f->columns[i]]
                                           ? fields[f->columns[i]]
                                           : NULL;
                f->values[i] = cell ? cell : f->fixed[i];
        }
        *ret = (struct draft){
                .type = f->type,
                .id = uuid_v5(f->space, name, strlen(name)),
                .subject = fields[f->subject],
                .item = f->item >= 0 ? fields[f->item] : "",
                .values = f->values,
                .dry_run = f->dry_run,
        };
        return draft_check(ret, e) < 0 ? -1 : 1;
}

static void reject(struct file *f, const struct csv *c, const struct err *e)
{
        f->bad++;
        f->code = CODE_FAILED;
        if (f->cli->json)
                print_json_line(json_pack("{s:I, s:s, s:s}", "line", (json_int_t)csv_line(c),
                                          "outcome", "rejected", "reason", e->text));
        else
                cli_note("line %zu: %s", csv_line(c), e->text);
}

static void filed(void *ctx, size_t tasks, instant earlier)
{
        struct file *f = ctx;
        *(earlier == INSTANT_NONE ? &f->good : &f->already) += tasks;
        if (earlier != INSTANT_NONE && f->earlier == INSTANT_NONE)
                f->earlier = earlier;
}

static int submit_all(struct file *f)
{
        struct csv *c CLEANUP(csv_cleanup) = NULL;
        bool terminal = isatty(STDERR_FILENO);
        size_t rows = 0;
        struct draft d;
        struct filing *filing CLEANUP(filing_cleanup) = filing_new(f->cli, f->type, f->dry_run,
                                                                   filed, f);
        int rc = filing ? begin(f, &c) : cli_oom();
        for (int got = 1; rc == 0 && got != 0;) {
                struct err e = ERR_INIT;
                got = next(f, c, &d, &e);
                if (got < 0)
                        reject(f, c, &e);
                if (got <= 0)
                        continue;
                rc = filing_add(filing, &d);
                if (terminal && ++rows % 10000 == 0)
                        fprintf(stderr, "\r\033[K%zu rows", rows);
        }
        if (terminal && rows >= 10000)
                fputs("\r\033[K", stderr);
        int rest = filing ? filing_finish(filing) : 0;
        return rc ? rc : rest;
}

/* ---- outcomes ---- */

struct waiting { /* a window of rows whose outcomes are asked for together */
        struct uuid ids[WINDOW];
        size_t lines[WINDOW];
        char *subjects[WINDOW], *items[WINDOW];
        bool known[WINDOW];
        size_t n, left;
};

static void note_code(struct file *f, int code)
{
        if (code == CODE_FAILED || (code && !f->code))
                f->code = code;
}

static int print_json_row(const struct waiting *w, size_t i, const struct db_result *r, int row,
                          bool already)
{
        json_t *o = json_row(r, row);
        json_object_del(o, "n");
        json_object_set_new(o, "line", json_integer((json_int_t)w->lines[i]));
        json_object_set_new(o, "already", json_boolean(already));
        return print_json_line(o);
}

static int print_row(struct file *f, const struct waiting *w, size_t i, const struct db_result *r,
                     int row)
{
        const struct draft asked = { .type = f->type,
                                     .subject = w->subjects[i],
                                     .item = w->items[i],
                                     .dry_run = f->dry_run };
        instant at = db_instant(r, row, db_column(r, "at"));
        bool already = at < f->begun;
        if (!outcome_fits(r, row, &asked)) {
                note_code(f, CODE_FAILED);
                cli_note(
                        "line %zu: its task id was used before, for another task: nothing was done",
                        w->lines[i]);
                return 0;
        }
        note_code(f, outcome_code(db_str(r, row, db_column(r, "outcome"))));
        if (f->cli->json)
                return print_json_row(w, i, r, row, already);
        printf("line %zu: ", w->lines[i]);
        print_clean(stdout, w->subjects[i]);
        fputs(": ", stdout);
        if (already) {
                char text[INSTANT_TEXT_MAX];
                format_instant(NULL, at, text);
                printf("already done on %s: ", text);
        }
        outcome_print_row(f->cli, r, row);
        return 0;
}

static int ask(struct file *f, struct waiting *w)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!p)
                return cli_oom();
        size_t asked[WINDOW], n = 0;
        db_array_begin(p, DB_UUID, w->left);
        for (size_t i = 0; i < w->n; i++)
                if (!w->known[i]) {
                        db_element_uuid(p, &w->ids[i]);
                        asked[n++] = i;
                }
        db_array_end(p);
        if (db_query(f->cli->db, sql_task_outcomes, p, &r, &e) < 0)
                return cli_db_fail(&e);
        int rc = 0;
        for (int row = 0; rc == 0 && row < db_rows(r); row++) {
                size_t i = asked[db_int(r, row, 0) - 1];
                w->known[i] = true;
                w->left--;
                rc = print_row(f, w, i, r, row);
        }
        return rc;
}

static useconds_t pause_after(int64_t asking_ms)
{
        int64_t ms = asking_ms * ASKING_SHARE;
        return (useconds_t)(ms < POLL_MS ? POLL_MS : ms < POLL_MAX_MS ? ms : POLL_MAX_MS);
}

static void empty(struct waiting *w)
{
        for (size_t i = 0; i < w->n; i++) {
                free(w->subjects[i]);
                free(w->items[i]);
        }
        w->n = w->left = 0;
}

static int drain(struct file *f, struct waiting *w, int64_t timeout_ms)
{
        int64_t news = monotonic_ms();
        int rc = 0;
        while (rc == 0 && w->left) {
                size_t before = w->left;
                int64_t began = monotonic_ms();
                rc = ask(f, w);
                int64_t took = monotonic_ms() - began;
                if (w->left < before)
                        news = monotonic_ms();
                else if (rc == 0 && monotonic_ms() - news >= timeout_ms)
                        rc = cli_error(
                                CODE_TIMEOUT,
                                "no outcome of line %zu and others after %lld s without news; the tasks stay on the lane \"%s\"",
                                w->lines[0], (long long)(timeout_ms / 1000),
                                lane_name(f->type->lane));
                if (rc == 0 && w->left)
                        usleep(pause_after(took) * 1000);
        }
        empty(w);
        return rc;
}

static int wait_all(struct file *f, int64_t timeout_ms)
{
        struct csv *c CLEANUP(csv_cleanup) = NULL;
        struct waiting *w CLEANUP(cleanup_free) = calloc(1, sizeof *w);
        if (!w)
                return cli_oom();
        int rc = begin(f, &c);
        for (int got = 1; rc == 0 && got != 0;) {
                struct err e = ERR_INIT;
                struct draft d;
                got = next(f, c, &d, &e);
                if (got > 0) {
                        w->ids[w->n] = d.id;
                        w->lines[w->n] = csv_line(c);
                        w->known[w->n] = false;
                        w->subjects[w->n] = strdup(d.subject);
                        w->items[w->n] = strdup(d.item);
                        w->left = ++w->n;
                        if (!w->subjects[w->n - 1] || !w->items[w->n - 1])
                                rc = cli_oom();
                }
                if (rc == 0 && (w->n == WINDOW || got == 0))
                        rc = drain(f, w, timeout_ms);
        }
        empty(w);
        return rc;
}

static int finish(struct file *f)
{
        char earlier[INSTANT_TEXT_MAX] = "";
        if (f->already)
                format_instant(NULL, f->earlier, earlier);
        if (f->cli->json)
                print_json_line(json_pack("{s:I, s:I, s:I, s:s?}", "submitted", (json_int_t)f->good,
                                          "already", (json_int_t)f->already, "rejected",
                                          (json_int_t)f->bad, "asked_for_at",
                                          f->already ? earlier : NULL));
        else if (f->already)
                printf("%zu submitted, %zu asked for already on %s and not done again, %zu rejected\n",
                       f->good, f->already, earlier, f->bad);
        else
                printf("%zu submitted, %zu rejected\n", f->good, f->bad);
        return f->code;
}

/* The good rows of the file. */
static int count_rows(struct file *f, size_t *ret)
{
        struct csv *c CLEANUP(csv_cleanup) = NULL;
        struct draft d;
        int rc = begin(f, &c);
        *ret = 0;
        for (int got = 1; rc == 0 && got != 0;) {
                struct err e = ERR_INIT;
                got = next(f, c, &d, &e);
                *ret += got > 0;
        }
        return rc;
}

static int confirm(struct file *f, const struct args *a)
{
        char question[300];
        size_t rows;
        if (f->dry_run || args_on(a, "yes"))
                return 0;
        int rc = count_rows(f, &rows);
        if (rc)
                return rc;
        snprintf(question, sizeof question, "Submit %s for each of the %zu rows of %s?",
                 f->type->full_name, rows, args_get(a, "csv"));
        return submit_confirm(a, f->type, f->dry_run, question);
}

static int note_begin(struct file *f)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = cli_query(f->cli, "select clock_timestamp()", NULL, 0, &r);
        if (rc == 0)
                f->begun = db_instant(r, 0, 0);
        return rc;
}

static int run(struct file *f, const struct args *a, int64_t timeout_ms)
{
        int rc = hash(f);
        if (rc == 0)
                rc = confirm(f, a);
        if (rc == 0)
                rc = cli_db(f->cli);
        if (rc == 0)
                rc = note_begin(f);
        if (rc == 0)
                rc = submit_all(f);
        if (rc == 0 && args_on(a, "wait"))
                rc = wait_all(f, timeout_ms);
        else if (rc == 0 && f->good)
                rc = note_no_scheduler(f->cli);
        return rc ? rc : finish(f);
}

int submit_csv(struct cli *c, const struct args *a, const struct task_type *type,
               const char *const *fixed, int64_t timeout_ms)
{
        struct file f = { .cli = c,
                          .type = type,
                          .fixed = fixed,
                          .dry_run = args_on(a, "dry-run"),
                          .again = args_get(a, "again"),
                          .earlier = INSTANT_NONE };
        int *columns CLEANUP(cleanup_free) = calloc(type->n_arguments + 1, sizeof *columns);
        const char **values CLEANUP(cleanup_free) = calloc(type->n_arguments + 1, sizeof *values);
        if (!columns || !values)
                return cli_oom();
        f.columns = columns;
        f.values = values;
        int rc = open_stream(args_get(a, "csv"), &f.stream);
        if (rc)
                return rc;
        rc = run(&f, a, timeout_ms);
        fclose(f.stream);
        return rc;
}
