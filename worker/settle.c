#include "held.h"
#include "record.h"
#include "transact_parts.h"

#include "base/failpoint.h"
#include "worker_statements.h"

/* An SQL task that was set aside: its statement runs in the settling transaction. */
static bool to_run(const struct entry *en)
{
        return en->state == ENTRY_PENDING && en->type->action == ACTION_SQL;
}

static bool any_to_run(const struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (to_run(&b->entries[i]))
                        return true;
        return false;
}

static size_t number_outcomes(struct transactor *t, struct batch *b)
{
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++) {
                struct entry *en = &b->entries[i];
                if (en->state != ENTRY_ACTED && !to_run(en))
                        continue;
                struct source *s = &t->sources->list[en->source];
                en->sequence = ++s->sequence;
                s->touched = true;
                n++;
        }
        return n;
}

static void add_outcome(const struct transactor *t, const struct entry *en, size_t column)
{
        const int64_t numbers[] = { t->sources->list[en->source].source_no, en->offset,
                                    en->again ? LEDGER_WAITING : (int64_t)en->outcome, en->sequence,
                                    en->attempt };
        const struct span texts[] = { en->reason.ptr ? en->reason : SPAN_LIT(""), en->before,
                                      en->after, en->follow_ups };
        if (column < 5)
                db_element_int(t->params, numbers[column]);
        else if (column > 5)
                db_element_text(t->params, texts[column - 6]);
        else
                db_element_text(t->params, en->replaces ? SPAN_LIT("3") : (struct span){ 0 });
}

static void outcome_params(struct transactor *t, const struct batch *b, size_t n)
{
        static const enum db_type types[] = { DB_INT4, DB_INT8, DB_INT2, DB_INT8, DB_INT2,
                                              DB_TEXT, DB_TEXT, DB_TEXT, DB_TEXT, DB_TEXT };
        db_params_reset(t->params);
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++)
                        if (b->entries[i].state == ENTRY_ACTED)
                                add_outcome(t, &b->entries[i], column);
                db_array_end(t->params);
        }
}

static int write_outcomes(struct transactor *t, struct batch *b, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t n = batch_count(b, ENTRY_ACTED);
        outcome_params(t, b, n);
        if (db_query(t->db, sql_outcomes_set, t->params, &r, e) < 0)
                return -1;
        if (db_affected(r) != (int64_t)n)
                return err_set(
                        e, ERR_RETRY, "",
                        "the ledger has %lld of %zu intents: they were settled by somebody else",
                        (long long)db_affected(r), n);
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_ACTED)
                        b->entries[i].state = b->entries[i].again ? ENTRY_HELD : ENTRY_DONE;
        return 0;
}

/* What an earlier transaction has committed must be neither counted nor published again. */
static void forget_done(struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DONE || b->entries[i].state == ENTRY_HELD)
                        b->entries[i].state = ENTRY_REPEATED;
                else if (b->entries[i].state == ENTRY_DEAD)
                        b->entries[i].state = ENTRY_IGNORED;
}

/* ---- statements run again ---- */

static int read_again(struct transactor *t, struct batch *b, const struct unit *u,
                      struct entry **list, size_t n, struct db_result *r, const struct err *poison,
                      struct err *e)
{
        for (size_t i = 0; i < n; i++)
                list[i]->state = ENTRY_ACTED;
        if (poison) {
                for (size_t i = 0; i < n; i++)
                        entry_fail(list[i], &t->retry, arena_span(b->arena, span_of(poison->text)));
                return 0;
        }
        if (batch_keep(b, r, e) < 0)
                return -1;
        for (int row = 0; row < db_rows(r); row++) {
                struct entry *en = NULL;
                int64_t outcome = 0;
                if (transact_row(u, list, n, r, row, &en, &outcome, e) < 0)
                        return -1;
                en->reason = db_span(r, row, COLUMN_REASON);
                en->before = db_span(r, row, COLUMN_BEFORE);
                en->after = db_span(r, row, COLUMN_AFTER);
                en->follow_ups = db_span(r, row, COLUMN_FOLLOW_UPS);
                en->outcome = outcome < 0 ? OUTCOME_APPLIED : (enum outcome)outcome;
                en->row_of = outcome < 0 ? r : NULL;
                en->row = row;
                if (outcome < 0)
                        en->state = ENTRY_PENDING;
        }
        return 0;
}

/* The pending entries of a unit; those of SQL types if `sql`, else the others. */
static int run_again(struct transactor *t, struct batch *b, size_t unit, bool sql, struct err *e)
{
        const struct unit *u = &b->units[unit];
        struct entry **list = arena_alloc(b->arena, (u->n + 1) * sizeof(struct entry *));
        size_t n = 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < u->n; i++)
                if (u->list[i]->state == ENTRY_PENDING && to_run(u->list[i]) == sql)
                        list[n++] = u->list[i];
        transact_begin_unit(t);
        if (n && sql && list[0]->locked && transact_locked_again(t, n, e) < 0)
                return -1; /* so is all of the unit, and much of it will still be */
        if (n && transact_part(t, b, u, VARIANT_AGAIN, list, n, read_again, e) < 0)
                return -1;
        transact_end_unit(t, b, unit, false);
        batch_stand_behind(b, unit);
        return 0;
}

int transact_reread(struct transactor *t, struct batch *b, struct err *e)
{
        transact_locks(t, LOCKS_AGAIN_MS);
        if (transact_ready_units(t, b, e) < 0 || db_exec(t->db, "begin", e) < 0)
                return -1;
        for (size_t i = 0; i < b->n_units; i++)
                if (run_again(t, b, i, false, e) < 0)
                        return transact_give_up(t, e);
        return db_exec(t->db, "rollback", e);
}

/* ---- the whole transactions ---- */

int transact_begin(struct transactor *t, bool *ret_fenced, struct err *e)
{
        size_t rows = 0;
        if (transact_prepare(t, e) < 0 || db_pipeline_begin(t->db, e) < 0)
                return -1;
        if (transact_queue_begin(t, &rows, e) < 0 || db_pipeline_sync(t->db, e) < 0 ||
            transact_take_begin(t, rows, ret_fenced, e) < 0)
                return -1;
        return db_pipeline_finish_sync(t->db, e) < 0 ? -1 : db_pipeline_end(t->db, e);
}

int transact_settle(struct transactor *t, struct batch *b, struct err *e)
{
        bool fenced = false;
        forget_done(b);
        transact_locks(t, any_to_run(b) ? LOCKS_AGAIN_MS : LOCKS_MS);
        if (transact_ready_units(t, b, e) < 0)
                return -1;
        if (number_outcomes(t, b) == 0)
                return 0;
        if (transact_begin(t, &fenced, e) < 0)
                return -1;
        if (fenced)
                return db_exec(t->db, "rollback", e) < 0 ? -1 : 1;
        if (any_to_run(b) && transact_short_locks(t, e) < 0) /* they have been waited for before */
                return -1;
        for (size_t i = 0; i < b->n_units; i++)
                if (run_again(t, b, i, true, e) < 0 ||
                    transact_record_unit(t, b, &b->units[i], e) < 0)
                        return transact_give_up(t, e);
        if (write_outcomes(t, b, e) < 0 || held_write(t, b, e) < 0 ||
            transact_write_pauses(t, b, e) < 0)
                return -1;
        FAILPOINT("settle.uncommitted");
        return transact_commit(t, b, e);
}

static bool to_act(const struct entry *en)
{
        return en->state == ENTRY_PENDING && en->type->action != ACTION_SQL;
}

static int write_intents(struct transactor *t, struct batch *b, size_t n, struct err *e)
{
        static const enum db_type types[] = { DB_INT4, DB_INT8, DB_INT2, DB_TEXT };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(t->params);
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++) {
                        const struct entry *en = &b->entries[i];
                        const int64_t numbers[] = { t->sources->list[en->source].source_no,
                                                    en->offset, en->attempt };
                        if (!to_act(en))
                                continue;
                        if (column < 3)
                                db_element_int(t->params, numbers[column]);
                        else
                                db_element_text(t->params,
                                                en->replaces ? SPAN_LIT("3") : (struct span){ 0 });
                }
                db_array_end(t->params);
        }
        if (db_query(t->db, sql_intents_set, t->params, &r, e) < 0)
                return -1;
        return db_affected(r) == (int64_t)n
                       ? 0
                       : err_set(e, ERR_RETRY, "",
                                 "the ledger has %lld of %zu tasks: they were settled by somebody else",
                                 (long long)db_affected(r), n);
}

int transact_intend(struct transactor *t, struct batch *b, struct err *e)
{
        size_t n = 0;
        bool fenced = false;
        for (size_t i = 0; i < b->n; i++)
                if (to_act(&b->entries[i])) {
                        t->sources->list[b->entries[i].source].touched = true;
                        n++;
                }
        if (n == 0)
                return 0;
        if (transact_begin(t, &fenced, e) < 0)
                return -1;
        if (fenced)
                return db_exec(t->db, "rollback", e) < 0 ? -1 : 1;
        return write_intents(t, b, n, e) < 0 ? -1 : transact_commit(t, b, e);
}
