/* A `record` that fails does not unsend its mail: the mail is never sent again. What is not
 * recorded is recorded alone, later. */
#include "record.h"

#include "held.h"
#include "transact_parts.h"
#include "worker_statements.h"

#include <stdio.h>

static const char NOT_RECORDED[] = "applied, not recorded: ";

static int recorded(struct transactor *t, struct batch *b, const struct unit *u,
                    struct entry **list, size_t n, struct db_result *r, const struct err *poison,
                    struct err *e)
{
        (void)t;
        (void)u;
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
                en->unrecorded = true;
                en->record_tries = 1;
        }
        return 0;
}

int transact_record_unit(struct transactor *t, struct batch *b, const struct unit *u, struct err *e)
{
        struct entry **list = arena_alloc(b->arena, (u->n + 1) * sizeof(struct entry *));
        size_t n = 0;
        if (!u->type->record.text)
                return 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < u->n; i++)
                if (u->list[i]->state == ENTRY_ACTED && u->list[i]->outcome == OUTCOME_APPLIED &&
                    u->list[i]->row_of)
                        list[n++] = u->list[i];
        transact_begin_unit(t);
        if (!composed_all(t->composer, u->type)) {
                struct err why = ERR_INIT;
                err_set(&why, ERR_FATAL, "", "%s cannot be prepared", u->type->record.path);
                return recorded(t, b, u, list, n, NULL, &why, e);
        }
        return n ? transact_part(t, b, u, VARIANT_RECORD, list, n, recorded, e) : 0;
}

/* ---- later ---- */

int record_due(struct recovery *rec, int index, struct batch *b, struct err *e)
{
        int n = recover_collect(rec, sql_record_due, index, 0, b, e);
        for (int i = 0; i < n; i++)
                b->entries[i].record_tries = b->entries[i].tries;
        return n;
}

static int recorded_later(struct transactor *t, struct batch *b, const struct unit *u,
                          struct entry **list, size_t n, struct db_result *r,
                          const struct err *poison, struct err *e)
{
        (void)t;
        (void)u;
        (void)e;
        db_result_free(r);
        for (size_t i = 0; i < n; i++) {
                list[i]->unrecorded = poison != NULL;
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
        bool again = en->unrecorded && en->record_tries < t->retry.attempts;
        snprintf(delay, sizeof delay, "%lld",
                 again ? (long long)retry_delay_ms(&t->retry, en->record_tries) : 0);
        const int64_t numbers[] = { t->sources->list[en->source].source_no, en->offset,
                                    en->record_tries };
        if (column <= R_TRIES)
                db_element_int(t->params, numbers[column]);
        else if (column == R_ERROR)
                db_element_text(t->params,
                                en->unrecorded ? en->reason.ptr ? en->reason : SPAN_LIT("failed")
                                               : (struct span){ 0 });
        else
                db_element_text(t->params, again ? span_of(delay) : (struct span){ 0 });
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

int transact_records(struct transactor *t, struct batch *b, struct err *e)
{
        bool fenced = false;
        transact_locks(t, LOCKS_MS);
        for (size_t i = 0; i < b->n; i++)
                t->sources->list[b->entries[i].source].touched = true;
        if (transact_ready_units(t, b, e) < 0 || transact_begin(t, &fenced, e) < 0)
                return -1;
        if (fenced)
                return db_exec(t->db, "rollback", e) < 0 ? -1 : TRANSACT_FENCED;
        for (size_t i = 0; i < b->n_units; i++) {
                const struct unit *u = &b->units[i];
                transact_begin_unit(t);
                if (u->type->record.text &&
                    transact_part(t, b, u, VARIANT_RECORD, u->list, u->n, recorded_later, e) < 0)
                        return -1;
        }
        if (write_records(t, b, e) < 0 || transact_write_pauses(t, b, e) < 0)
                return -1;
        for (size_t i = 0; i < b->n; i++)
                /* they have their outcomes, and are counted */
                b->entries[i].state = ENTRY_REPEATED;
        return transact_commit(t, b, e);
}
