/* SPDX-License-Identifier: Apache-2.0 */
/* A `record` that fails does not unsend its mail: the mail is never sent again. What is not
 * recorded is recorded alone, later. */
#include "record.h"

#include "bisect.h"
#include "type_pauses.h"
#include "worker_statements.h"

#include <stdio.h>

static const char NOT_RECORDED[] = "applied, not recorded: ";

static int note_unrecorded(struct transactor *t, struct batch *b, const struct statement_group *g,
                           struct entry **list, size_t n, struct db_result *r,
                           const struct err *poison, struct err *e)
{
        (void)t;
        (void)g;
        (void)e;
        db_result_free(r);
        for (size_t i = 0; poison && i < n; i++) {
                struct entry *en = list[i];
                BUF_CLEANUP struct buf text;
                buf_init(&text, en->reason.len + sizeof poison->text + 64);
                buf_addf(&text, "%.*s%s%s%s", SPAN_FMT(en->reason), en->reason.len ? "; " : "",
                         NOT_RECORDED, poison->text);
                struct span reason = arena_span(b->arena,
                                                (struct span){ buf_str(&text), text.len });
                en->reason = reason.ptr ? reason : SPAN_LIT("applied, not recorded: out of memory");
                en->parked = PARKED_RECORD;
                en->record_tries = 1;
        }
        return 0;
}

int record_group(struct transactor *t, struct batch *b, const struct statement_group *g,
                 struct err *e)
{
        struct entry **list = arena_alloc(b->arena, (g->n + 1) * sizeof(struct entry *));
        size_t n = 0;
        if (!g->type->record.text)
                return 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < g->n; i++)
                if (g->list[i]->state == ENTRY_ACTED && g->list[i]->outcome == OUTCOME_APPLIED &&
                    g->list[i]->row_of)
                        list[n++] = g->list[i];
        bisect_begin(t);
        if (!composed_all(t->composer, g->type)) {
                struct err why = ERR_INIT;
                err_set(&why, ERR_FATAL, "", "%s cannot be prepared", g->type->record.path);
                return note_unrecorded(t, b, g, list, n, NULL, &why, e);
        }
        return n ? bisect_run(t, b, g, VARIANT_RECORD, list, n, note_unrecorded, e) : 0;
}

/* ---- later ---- */

int record_due(struct recovery *rec, int index, struct batch *b, struct err *e)
{
        int n = recover_collect(rec, sql_record_due, index, 0, b, e);
        for (int i = 0; i < n; i++)
                b->entries[i].record_tries = b->entries[i].tries;
        return n;
}

static int note_recorded(struct transactor *t, struct batch *b, const struct statement_group *g,
                         struct entry **list, size_t n, struct db_result *r,
                         const struct err *poison, struct err *e)
{
        (void)t;
        (void)g;
        (void)e;
        db_result_free(r);
        for (size_t i = 0; i < n; i++) {
                list[i]->parked = poison ? PARKED_RECORD : PARKED_NOT;
                list[i]->record_tries += poison != NULL;
                if (poison)
                        list[i]->reason = arena_span(b->arena, span_of(poison->text));
        }
        return 0;
}

enum { R_SOURCE, R_OFFSET, R_TRIES, R_ERROR, R_DELAY, R_COLUMNS };

static void add_record(struct transactor *t, const struct entry *en, int column)
{
        char delay[24];
        bool retried = en->parked == PARKED_RECORD && en->record_tries < t->retry.attempts;
        snprintf(delay, sizeof delay, "%lld",
                 retried ? (long long)retry_delay_ms(&t->retry, en->record_tries) : 0);
        const int64_t numbers[] = { t->partitions->list[en->partition].at.source_no, en->offset,
                                    en->record_tries };
        if (column <= R_TRIES)
                db_element_int(t->params, numbers[column]);
        else if (column == R_ERROR)
                db_element_text(t->params,
                                en->parked == PARKED_RECORD
                                        ? en->reason.ptr ? en->reason : SPAN_LIT("failed")
                                        : (struct span){ 0 });
        else
                db_element_text(t->params, retried ? span_of(delay) : (struct span){ 0 });
}

static int write_records(struct transactor *t, const struct batch *b, struct err *e)
{
        static const enum db_type types[R_COLUMNS] = { DB_INT4, DB_INT8, DB_INT2, DB_TEXT,
                                                       DB_TEXT };
        db_params_reset(t->params);
        for (int column = 0; column < R_COLUMNS; column++) {
                db_array_begin(t->params, types[column], b->n);
                for (size_t i = 0; i < b->n; i++)
                        add_record(t, &b->entries[i], column);
                db_array_end(t->params);
        }
        return db_query(t->db, sql_record_done, t->params, NULL, e);
}

int record_batch(struct transactor *t, struct batch *b, struct err *e)
{
        bool fenced = false;
        bisect_limit_locks(t, LOCKS_MS);
        for (size_t i = 0; i < b->n; i++)
                t->partitions->list[b->entries[i].partition].touched = true;
        if (type_pauses_ready(t, b, e) < 0 || transaction_begin(t, &fenced, e) < 0)
                return -1;
        if (fenced)
                return transaction_roll_back_fenced(t, e);
        for (size_t i = 0; i < b->n_groups; i++) {
                const struct statement_group *g = &b->groups[i];
                bisect_begin(t);
                if (g->type->record.text &&
                    bisect_run(t, b, g, VARIANT_RECORD, g->list, g->n, note_recorded, e) < 0)
                        return -1;
        }
        if (write_records(t, b, e) < 0 || type_pauses_write(t, b, e) < 0)
                return -1;
        for (size_t i = 0; i < b->n; i++)
                /* they have their outcomes, and are counted */
                b->entries[i].state = ENTRY_REPEATED;
        return transaction_commit(t, b, e);
}
