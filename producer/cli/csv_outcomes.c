/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes of a CSV file's tasks, by the ids that follow from the file. */
#include "csv_outcomes.h"
#include "outcome.h"
#include "output.h"
#include "rollcall_statements.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Looking up takes a tenth of the time at most: the workers need the database. */
enum {
        WINDOW = 5000,
        POLL_MS = 200,
        POLL_MAX_MS = 1000,
        LOOK_UP_SHARE = 10,
        PARAMS_MAX = 1024 * 1024
};

struct wait {
        struct csv_tasks *file;
        instant requested_at;
        int worst;
};

static void note_code(struct wait *x, int code)
{
        if (code == CODE_FAILED || (code && !x->worst))
                x->worst = code;
}

/* A window of rows whose outcomes are looked up together. */
struct window {
        struct uuid ids[WINDOW];
        size_t lines[WINDOW];
        char *subjects[WINDOW], *items[WINDOW];
        bool known[WINDOW];
        size_t n, left;
};

static int print_json_row(const struct window *w, size_t i, const struct db_result *r, int row,
                          bool already)
{
        json_t *o = json_row(r, row);
        json_object_del(o, "n");
        json_object_set_new(o, "line", json_integer((json_int_t)w->lines[i]));
        json_object_set_new(o, "already", json_boolean(already));
        return print_json_line(o);
}

static int print_row(struct wait *x, const struct window *w, size_t i, const struct db_result *r,
                     int row)
{
        const struct task_request asked = { .type = x->file->type,
                                            .subject = w->subjects[i],
                                            .item = w->items[i],
                                            .dry_run = x->file->dry_run };
        instant at = db_instant(r, row, db_column(r, "at"));
        bool already = at < x->requested_at;
        if (!outcome_is_of(r, row, &asked)) {
                note_code(x, CODE_FAILED);
                cli_note(
                        "line %zu: its task id was used before, for another task: nothing was done",
                        w->lines[i]);
                return 0;
        }
        note_code(x, outcome_code(db_str(r, row, db_column(r, "outcome"))));
        if (x->file->cli->json)
                return print_json_row(w, i, r, row, already);
        printf("line %zu: ", w->lines[i]);
        print_clean(stdout, w->subjects[i]);
        fputs(": ", stdout);
        if (already) {
                char text[INSTANT_TEXT_MAX];
                format_instant(NULL, at, text);
                printf("already done on %s: ", text);
        }
        outcome_print_row(x->file->cli, r, row);
        return 0;
}

static int look_up(struct wait *x, struct window *w)
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
        if (db_query(x->file->cli->db, sql_task_outcomes, p, &r, &e) < 0)
                return cli_db_fail(&e);
        int rc = 0;
        for (int row = 0; rc == 0 && row < db_rows(r); row++) {
                size_t i = asked[db_int(r, row, 0) - 1];
                w->known[i] = true;
                w->left--;
                rc = print_row(x, w, i, r, row);
        }
        return rc;
}

static useconds_t pause_after(int64_t look_up_ms)
{
        int64_t ms = look_up_ms * LOOK_UP_SHARE;
        return (useconds_t)(ms < POLL_MS ? POLL_MS : ms < POLL_MAX_MS ? ms : POLL_MAX_MS);
}

static void empty_window(struct window *w)
{
        for (size_t i = 0; i < w->n; i++) {
                free(w->subjects[i]);
                free(w->items[i]);
        }
        w->n = w->left = 0;
}

static int wait_for_window(struct wait *x, struct window *w, int64_t timeout_ms)
{
        int64_t news = monotonic_ms();
        int rc = 0;
        while (rc == 0 && w->left) {
                size_t before = w->left;
                int64_t began = monotonic_ms();
                rc = look_up(x, w);
                int64_t took = monotonic_ms() - began;
                if (w->left < before)
                        news = monotonic_ms();
                else if (rc == 0 && monotonic_ms() - news >= timeout_ms)
                        rc = cli_error(
                                CODE_TIMEOUT,
                                "no outcome of line %zu and others after %lld s without news; the "
                                "tasks stay on the lane \"%s\"",
                                w->lines[0], (long long)(timeout_ms / 1000),
                                lane_name(x->file->type->lane));
                if (rc == 0 && w->left)
                        usleep(pause_after(took) * 1000);
        }
        empty_window(w);
        return rc;
}

static int add_to_window(struct window *w, const struct csv_tasks *f, const struct task_request *q)
{
        w->ids[w->n] = q->id;
        w->lines[w->n] = csv_tasks_line(f);
        w->known[w->n] = false;
        w->subjects[w->n] = strdup(q->subject);
        w->items[w->n] = strdup(q->item);
        bool good = w->subjects[w->n] && w->items[w->n];
        w->left = ++w->n;
        return good ? 0 : cli_oom();
}

int csv_outcomes_wait(struct csv_tasks *f, instant requested_at, int64_t timeout_ms, int *worst)
{
        struct wait x = { f, requested_at, *worst };
        struct window *w CLEANUP(cleanup_free) = calloc(1, sizeof *w);
        if (!w)
                return cli_oom();
        int rc = csv_tasks_begin(f);
        for (enum csv_row row = CSV_ROW_TASK; rc == 0 && row != CSV_ROW_END;) {
                struct err e = ERR_INIT; /* a bad row was named when the file was submitted */
                struct task_request q;
                row = csv_tasks_next(f, &q, &e);
                if (row == CSV_ROW_TASK)
                        rc = add_to_window(w, f, &q);
                if (rc == 0 && (w->n == WINDOW || row == CSV_ROW_END))
                        rc = wait_for_window(&x, w, timeout_ms);
        }
        empty_window(w);
        *worst = x.worst;
        return rc;
}
