/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of rollcall.plan of one task type: a cursor over the due statement, a part at a time.
 * The server selects the next part while this one is hashed and written. A due statement that names
 * somebody twice would leave the run without an end, since one task has one outcome: rows that come
 * in ascending order cannot repeat; if they do not, the plan is checked, and made once more from
 * distinct rows when it has to be.
 */
#include "plan_due.h"

#include "chunk_writer.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_MAX = 2 * 1024 * 1024, FETCH_ROWS = 10000 };

struct due {
        struct planning *p;
        const struct job_task *task;
        int type_no;
        int subject, item; /* columns; item -1: none */
        bool ordered;      /* so far */
        struct buf last;   /* subject of the row before, if it was in another result */
        struct buf last_item;
        char fetch[64];
        struct chunk_writer writer;
};

static struct span item_of(const struct due *d, const struct db_result *r, int row)
{
        struct span s = d->item < 0 ? (struct span){ 0 } : db_span(r, row, d->item);
        return s.ptr ? s : SPAN_LIT("");
}

static int compare_subjects(const struct due *d, struct span a, struct span b)
{
        if (d->task->type->subject_type == VALUE_INTEGER) { /* NUL-terminated, both */
                long long x = strtoll(a.ptr, NULL, 10), y = strtoll(b.ptr, NULL, 10);
                return (x > y) - (x < y);
        }
        return span_cmp(a, b);
}

static bool ascends(const struct due *d, struct span s0, struct span i0, struct span s1,
                    struct span i1)
{
        int c = compare_subjects(d, s0, s1);
        return c ? c < 0 : span_cmp(i0, i1) < 0;
}

static int check_row(struct due *d, struct span subject, struct span item, struct err *e)
{
        const char *file = d->task->type->due.path;
        if (subject.len == 0)
                return err_set(e, ERR_INPUT, "", "%s: a row has no subject", file);
        if (subject.len > LEDGER_NAME_MAX || item.len > LEDGER_NAME_MAX)
                return err_set(e, ERR_INPUT, "", "%s: a row's %s is longer than %d bytes", file,
                               subject.len > LEDGER_NAME_MAX ? "subject" : "item", LEDGER_NAME_MAX);
        return 0;
}

static int add_rows(struct due *d, const struct db_result *r, struct err *e)
{
        struct span s0 = { d->last.data, d->last.len },
                    i0 = { buf_str(&d->last_item), d->last_item.len };
        for (int i = 0; i < db_rows(r); i++) {
                struct span s = db_span(r, i, d->subject), item = item_of(d, r, i);
                if (check_row(d, s, item, e) < 0 || chunk_writer_add(&d->writer, s, item, e) < 0)
                        return -1;
                if (d->ordered && s0.len)
                        d->ordered = ascends(d, s0, i0, s, item);
                s0 = s;
                i0 = item;
        }
        buf_reset(&d->last);
        buf_reset(&d->last_item);
        buf_add_span(&d->last, s0);
        buf_add_span(&d->last_item, i0);
        return 0;
}

static int send_fetch(struct due *d, struct err *e)
{
        return db_pipeline_query(d->p->db, d->fetch, NULL, e) < 0 ||
                               db_pipeline_sync(d->p->db, e) < 0
                       ? -1
                       : 0;
}

static int take_result(struct due *d, struct db_result **ret, struct err *e)
{
        if (db_pipeline_result(d->p->db, ret, e) < 0)
                return err_prefix(e, "%s", d->task->type->due.path);
        return db_pipeline_finish_sync(d->p->db, e);
}

static int find_columns(struct due *d, const struct db_result *r, struct err *e)
{
        d->subject = db_column(r, "subject");
        d->item = db_column(r, "item");
        return d->subject >= 0 ? 0
                               : err_set(e, ERR_INPUT, "", "%s: no column \"subject\"",
                                         d->task->type->due.path);
}

/* The next part is requested before this one is written, so that both sides work. An error leaves
 * the pipeline as it is: the connection is closed. */
static int run_cursor(struct due *d, struct err *e)
{
        struct db *db = d->p->db;
        struct chunk_writer *w = &d->writer;
        snprintf(d->fetch, sizeof d->fetch, "fetch %d from due", FETCH_ROWS);
        if (db_pipeline_begin(db, e) < 0 || send_fetch(d, e) < 0)
                return -1;
        for (bool more = true; more;) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                if (take_result(d, &r, e) < 0 || find_columns(d, r, e) < 0)
                        return -1;
                more = db_rows(r) == FETCH_ROWS;
                if ((more && send_fetch(d, e) < 0) || chunk_writer_collect(w, e) < 0 ||
                    add_rows(d, r, e) < 0)
                        return -1;
        }
        if (chunk_writer_end(w, e) < 0 || chunk_writer_collect(w, e) < 0 ||
            db_pipeline_end(db, e) < 0)
                return -1;
        return db_exec(db, "close due", e);
}

/* `distinct`: from the statement as a subselect. */
static int declare_cursor(struct due *d, const struct run_values *v, bool distinct, struct err *e)
{
        const struct sql_file *f = &d->task->type->due;
        struct bound_sql b CLEANUP(bound_sql_deinit) = { 0 };
        BUF_CLEANUP struct buf sql;
        buf_init(&sql, SQL_MAX);
        if (sql_bind(f, d->task->type->pack, NULL, 0, 1, &b, e) < 0)
                return -1;
        size_t len = strlen(b.text);
        while (distinct && len && strchr("; \t\r\n", b.text[len - 1]))
                len--;
        buf_adds(&sql, "declare due no scroll cursor for ");
        if (distinct)
                buf_addf(&sql, "select distinct subject%s from (", d->item >= 0 ? ", item" : "");
        buf_add(&sql, b.text, len);
        if (distinct)
                buf_adds(&sql, "\n) due");
        db_params_reset(d->p->params);
        if (sql.failed)
                return err_oom(e);
        if (sql_add_values(&b, v, d->p->params, e) < 0 ||
            db_query(d->p->db, buf_str(&sql), d->p->params, NULL, e) < 0)
                return err_prefix(e, "%s", f->path);
        return 0;
}

static int find_duplicates(struct due *d, bool *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(d->p->params);
        db_add_int8(d->p->params, d->p->run->run_no);
        db_add_int4(d->p->params, d->type_no);
        if (db_query(d->p->db, sql_plan_has_duplicates, d->p->params, &r, e) < 0)
                return -1;
        *ret = db_bool(r, 0, 0);
        return 0;
}

static int remove_rows(struct due *d, struct err *e)
{
        db_params_reset(d->p->params);
        db_add_int8(d->p->params, d->p->run->run_no);
        db_add_int4(d->p->params, d->type_no);
        return db_query(d->p->db, "delete from rollcall.plan where run_no = $1 and type_no = $2",
                        d->p->params, NULL, e);
}

static int plan_rows(struct due *d, const struct run_values *v, struct err *e)
{
        const struct planning before = *d->p;
        if (chunk_writer_init(&d->writer, d->p, d->task, e) < 0 ||
            declare_cursor(d, v, false, e) < 0 || run_cursor(d, e) < 0)
                return -1;
        bool duplicates = false;
        if (!d->ordered && find_duplicates(d, &duplicates, e) < 0)
                return -1;
        if (!duplicates)
                return 0;
        if (remove_rows(d, e) < 0)
                return -1;
        *d->p = before;
        return declare_cursor(d, v, true, e) < 0 || run_cursor(d, e) < 0 ? -1 : 0;
}

int plan_due(struct planning *p, const struct job_task *t, const struct run_values *v,
             struct err *e)
{
        struct due d = {
                .p = p, .task = t, .type_no = type_number(p->o->types, t->type), .ordered = true
        };
        buf_init(&d.last, LEDGER_NAME_MAX + 1);
        buf_init(&d.last_item, LEDGER_NAME_MAX + 1);
        int rc = t->type->due.text ? plan_rows(&d, v, e)
                                   : err_set(e, ERR_INPUT, "", "task type %s has no due statement",
                                             t->type->full_name);
        chunk_writer_deinit(&d.writer);
        buf_deinit(&d.last);
        buf_deinit(&d.last_item);
        return rc;
}

int plan_run_scope(struct planning *p, const struct job_task *t, struct err *e)
{
        struct chunk_writer w CLEANUP(chunk_writer_deinit) = { 0 };
        char subject[UUID_TEXT_LEN + 1];
        uuid_to_text(p->run->run_id, subject);
        if (chunk_writer_init(&w, p, t, e) < 0 || db_pipeline_begin(p->db, e) < 0 ||
            chunk_writer_add(&w, span_of(subject), SPAN_LIT(""), e) < 0 ||
            chunk_writer_end(&w, e) < 0 || chunk_writer_collect(&w, e) < 0)
                return -1;
        return db_pipeline_end(p->db, e);
}
