/* SPDX-License-Identifier: Apache-2.0 */
/* Files requests for tasks in the database; the scheduler publishes them. */
/* Requests for many tasks, filed in a pipeline. */
#include "filing.h"
#include "rollcall_statements.h"

#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>

enum {
        TASKS_MAX = 10000, /* of one request, as rollcall.request_filed has it */
        BYTES_MAX = 4 * 1024 * 1024,
        ARGUMENTS_MAX = 1024 * 1024,
        PARAMS_MAX = 8 * 1024 * 1024,
        UNANSWERED_MAX = 2,
};

struct filing {
        struct cli *cli;
        const struct task_type *type;
        bool dry_run;
        filing_notice notify;
        void *ctx;
        struct buf texts; /* subjects, items and arguments of the next request */
        struct uuid *ids;
        struct piece {
                size_t at, len;
        } *subjects, *items, *arguments;
        size_t n;
        bool any_item, any_argument;
        struct buf json; /* the last task's arguments: the next one's are often the same */
        struct db_params *params;
        bool piping;
        size_t unanswered, sizes[UNANSWERED_MAX];
        struct argument *list; /* scratch: the arguments that a task has */
};

struct filing *filing_new(struct cli *c, const struct task_type *type, bool dry_run,
                          filing_notice notify, void *ctx)
{
        struct filing *f CLEANUP(filing_cleanup) = calloc(1, sizeof *f);
        if (!f)
                return NULL;
        *f = (struct filing){
                .cli = c, .type = type, .dry_run = dry_run, .notify = notify, .ctx = ctx
        };
        buf_init(&f->texts, BYTES_MAX + ARGUMENTS_MAX);
        buf_init(&f->json, ARGUMENTS_MAX);
        f->ids = calloc(TASKS_MAX, sizeof *f->ids);
        f->subjects = calloc(TASKS_MAX, sizeof *f->subjects);
        f->items = calloc(TASKS_MAX, sizeof *f->items);
        f->arguments = calloc(TASKS_MAX, sizeof *f->arguments);
        f->list = calloc(type->n_arguments + 1, sizeof *f->list);
        f->params = db_params_new(PARAMS_MAX);
        if (!f->ids || !f->subjects || !f->items || !f->arguments || !f->list || !f->params)
                return NULL;
        return TAKE(f);
}

void filing_free(struct filing *f)
{
        if (!f)
                return;
        buf_deinit(&f->texts);
        buf_deinit(&f->json);
        free(f->ids);
        free(f->subjects);
        free(f->items);
        free(f->arguments);
        free(f->list);
        db_params_free(f->params);
        free(f);
}

/* ---- the database's answers ---- */

static int take_answer(struct filing *f)
{
        struct err e = ERR_INIT, later = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t tasks = f->sizes[0];
        int rc = db_pipeline_result(f->cli->db, &r, &e);
        if (db_pipeline_finish_sync(f->cli->db, rc < 0 ? &later : &e) < 0)
                rc = -1;
        f->sizes[0] = f->sizes[1];
        f->unanswered--;
        if (rc < 0)
                return cli_db_fail(&e);
        if (f->notify)
                f->notify(f->ctx, tasks, db_rows(r) ? db_instant(r, 0, 0) : INSTANT_NONE);
        return 0;
}

static int take_all(struct filing *f)
{
        int rc = 0;
        while (f->unanswered) {
                int one = take_answer(f);
                rc = rc ? rc : one;
        }
        return rc;
}

/* ---- a request ---- */

static void add_texts(struct filing *f, const struct piece *list, size_t n)
{
        db_array_begin(f->params, DB_TEXT, n);
        for (size_t i = 0; i < n; i++)
                db_element_text(f->params,
                                (struct span){ f->texts.data + list[i].at, list[i].len });
        db_array_end(f->params);
}

static void add_params(struct filing *f)
{
        db_params_reset(f->params);
        db_add_str(f->params, f->type->full_name);
        db_add_bool(f->params, f->dry_run);
        db_add_str(f->params, f->cli->actor_given);
        db_array_begin(f->params, DB_UUID, f->n);
        for (size_t i = 0; i < f->n; i++)
                db_element_uuid(f->params, &f->ids[i]);
        db_array_end(f->params);
        add_texts(f, f->subjects, f->n);
        if (f->any_item)
                add_texts(f, f->items, f->n);
        else
                db_add_null(f->params);
        if (f->any_argument)
                add_texts(f, f->arguments, f->n);
        else
                db_add_null(f->params);
}

static int file_request(struct filing *f)
{
        struct err e = ERR_INIT;
        struct db *d = f->cli->db;
        if (f->n == 0)
                return 0;
        if (f->texts.failed)
                return cli_oom();
        if (!f->piping && db_pipeline_begin(d, &e) < 0)
                return cli_db_fail(&e);
        f->piping = true;
        int rc = f->unanswered == UNANSWERED_MAX ? take_answer(f) : 0;
        if (rc)
                return rc;
        add_params(f);
        if (db_pipeline_query(d, sql_tasks_request, f->params, &e) < 0 ||
            db_pipeline_sync(d, &e) < 0)
                return cli_db_fail(&e);
        f->sizes[f->unanswered++] = f->n;
        f->n = 0;
        f->any_item = f->any_argument = false;
        buf_reset(&f->texts);
        return 0;
}

static struct piece add_text(struct filing *f, const char *text, size_t len)
{
        struct piece p = { f->texts.len, len };
        buf_add(&f->texts, text, len);
        return p;
}

static int add_arguments(struct filing *f, const struct task_request *q)
{
        size_t n = 0;
        for (size_t i = 0; i < f->type->n_arguments; i++)
                if (q->values[i])
                        f->list[n++] = (struct argument){ span_of(f->type->arguments[i].name),
                                                          span_of(q->values[i]) };
        buf_reset(&f->json);
        arguments_to_json(f->list, n, &f->json);
        f->any_argument |= n > 0;
        return f->json.failed ? cli_oom() : 0;
}

int filing_add(struct filing *f, const struct task_request *q)
{
        int rc = add_arguments(f, q);
        size_t bytes = strlen(q->subject) + strlen(q->item) + f->json.len + sizeof q->id;
        if (rc == 0 &&
            (f->n == TASKS_MAX || f->texts.len + f->n * sizeof q->id + bytes > BYTES_MAX))
                rc = file_request(f);
        if (rc)
                return rc;
        f->ids[f->n] = q->id;
        f->subjects[f->n] = add_text(f, q->subject, strlen(q->subject));
        f->items[f->n] = add_text(f, q->item, strlen(q->item));
        f->arguments[f->n] = add_text(f, buf_str(&f->json), f->json.len);
        f->any_item |= *q->item != '\0';
        f->n++;
        return 0;
}

int filing_finish(struct filing *f)
{
        struct err e = ERR_INIT;
        int rc = file_request(f);
        if (!f->piping)
                return rc;
        int answers = take_all(f);
        f->piping = false;
        if (db_pipeline_end(f->cli->db, &e) < 0 && rc == 0 && answers == 0)
                return cli_db_fail(&e);
        return rc ? rc : answers;
}

static void note_earlier(void *ctx, size_t tasks, instant earlier)
{
        (void)tasks;
        *(instant *)ctx = earlier;
}

int filing_one(struct cli *c, const struct task_request *q, instant *ret_earlier)
{
        int rc = cli_db(c);
        if (rc)
                return rc;
        *ret_earlier = INSTANT_NONE;
        struct filing *f CLEANUP(filing_cleanup) = filing_new(c, q->type, q->dry_run, note_earlier,
                                                              ret_earlier);
        if (!f)
                return cli_oom();
        rc = filing_add(f, q);
        return rc ? rc : filing_finish(f);
}
