/* Rows of rollcall.outcome: added for what no statement decided, set for what was settled. */
#include "outcomes.h"

#include "task_params.h"
#include "worker_statements.h"

enum { DECIDED_COLUMNS = 16, TYPES_MAX = 10000 };

static int add_decided(struct transactor *t, const struct entry *en, int column, struct err *e)
{
        struct db_params *p = t->params;
        char day[16];
        task_params_run_day(en->run, day);
        const struct span texts[DECIDED_COLUMNS] = {
                [0] = span_of(day),
                [3] = en->task.subject,
                [4] = en->task.item.ptr ? en->task.item : SPAN_LIT(""),
                [9] = en->reason,
                [10] = en->before,
                [11] = en->after,
        };
        const int64_t numbers[DECIDED_COLUMNS] = {
                [1] = en->run ? en->run->run_no : 0,
                [2] = en->type_no,
                [5] = t->partitions->list[en->partition].at.source_no,
                [6] = en->offset,
                [7] = en->sequence,
                [8] = entry_waits(en) ? LEDGER_WAITING : (int64_t)en->outcome,
                [14] = en->dry_run,
        };
        if (column == 12)
                db_element_uuid(p, en->run ? NULL : &en->task.task_id);
        else if (column == 13)
                db_element_text(p, en->run ? (struct span){ 0 } : en->task.actor);
        else if (column == 15 && !en->run)
                return task_params_arguments(&en->task, p, e);
        else if (column == 15)
                db_element_text(p, (struct span){ 0 });
        else if (column == 0 || column == 3 || column == 4 || (column >= 9 && column <= 11))
                db_element_text(p, texts[column]);
        else
                db_element_int(p, numbers[column]);
        return 0;
}

int outcomes_add(struct transactor *t, struct batch *b, struct err *e)
{
        static const enum db_type types[DECIDED_COLUMNS] = { DB_TEXT, DB_INT8, DB_INT2, DB_TEXT,
                                                             DB_TEXT, DB_INT4, DB_INT8, DB_INT8,
                                                             DB_INT2, DB_TEXT, DB_TEXT, DB_TEXT,
                                                             DB_UUID, DB_TEXT, DB_BOOL, DB_TEXT };
        size_t n = 0, total = batch_count(b, ENTRY_DECIDED);
        struct entry **list = arena_alloc(b->arena, (total + 1) * sizeof(struct entry *));
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (total == 0)
                return 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DECIDED)
                        list[n++] = &b->entries[i];
        db_params_reset(t->params);
        for (int column = 0; column < DECIDED_COLUMNS; column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < n; i++)
                        if (add_decided(t, list[i], column, e) < 0)
                                return -1;
                db_array_end(t->params);
        }
        if (db_query(t->db, sql_outcomes_add, t->params, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                list[i]->state = ENTRY_REPEATED;
        for (int row = 0; row < db_rows(r); row++) {
                struct entry *en = list[db_int(r, row, 0) - 1];
                en->state = entry_waits(en) ? ENTRY_PARKED : ENTRY_DONE;
        }
        return 0;
}

static int number_unknown_type(struct transactor *t, struct batch *b, struct entry *en,
                               struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        for (struct entry *x = en; x-- > b->entries;) /* the same as the one before, mostly */
                if (x->state == ENTRY_DECIDED && !x->type && span_eq(x->task.type, en->task.type)) {
                        en->type_no = x->type_no;
                        return 0;
                }
        db_params_reset(t->params);
        db_add_text(t->params, en->task.type);
        db_add_int8(t->params, TYPES_MAX);
        if (db_query(t->db, sql_task_type_number, t->params, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                entry_dead_letter(en, SPAN_LIT("unknown task type"));
        else
                en->type_no = (int)db_int(r, 0, 0);
        return 0;
}

int outcomes_number_types(struct transactor *t, struct batch *b, struct err *e)
{
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DECIDED && b->entries[i].type_no <= 0 &&
                    number_unknown_type(t, b, &b->entries[i], e) < 0)
                        return -1;
        return 0;
}

/* ---- outcomes of what was settled ---- */

static int settled_elsewhere(size_t n, int64_t found, struct err *e)
{
        return err_set(e, ERR_RETRY, "",
                       "another worker has already finished %lld of these %zu tasks",
                       (long long)((int64_t)n - found), n);
}

static void add_settled(const struct transactor *t, const struct entry *en, size_t column)
{
        const int64_t numbers[] = { t->partitions->list[en->partition].at.source_no, en->offset,
                                    entry_waits(en) ? LEDGER_WAITING : (int64_t)en->outcome,
                                    en->sequence, en->attempt };
        const struct span texts[] = { en->reason.ptr ? en->reason : SPAN_LIT(""), en->before,
                                      en->after, en->follow_ups };
        if (column < 5)
                db_element_int(t->params, numbers[column]);
        else if (column > 5)
                db_element_text(t->params, texts[column - 6]);
        else
                db_element_text(t->params, en->replaces ? SPAN_LIT("3") : (struct span){ 0 });
}

static void settled_params(struct transactor *t, const struct batch *b, size_t n)
{
        static const enum db_type types[] = { DB_INT4, DB_INT8, DB_INT2, DB_INT8, DB_INT2,
                                              DB_TEXT, DB_TEXT, DB_TEXT, DB_TEXT, DB_TEXT };
        db_params_reset(t->params);
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++)
                        if (b->entries[i].state == ENTRY_ACTED)
                                add_settled(t, &b->entries[i], column);
                db_array_end(t->params);
        }
}

int outcomes_set(struct transactor *t, struct batch *b, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t n = batch_count(b, ENTRY_ACTED);
        settled_params(t, b, n);
        if (db_query(t->db, sql_outcomes_set, t->params, &r, e) < 0)
                return -1;
        if (db_affected(r) != (int64_t)n)
                return settled_elsewhere(n, db_affected(r), e);
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_ACTED)
                        b->entries[i].state = entry_waits(&b->entries[i]) ? ENTRY_PARKED
                                                                          : ENTRY_DONE;
        return 0;
}

bool outcomes_to_act(const struct entry *en)
{
        return en->state == ENTRY_PENDING && en->type->action != ACTION_SQL;
}

int outcomes_intend(struct transactor *t, struct batch *b, size_t n, struct err *e)
{
        static const enum db_type types[] = { DB_INT4, DB_INT8, DB_INT2, DB_TEXT };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(t->params);
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++) {
                        const struct entry *en = &b->entries[i];
                        const int64_t numbers[] = { t->partitions->list[en->partition].at.source_no,
                                                    en->offset, en->attempt };
                        if (!outcomes_to_act(en))
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
        return db_affected(r) == (int64_t)n ? 0 : settled_elsewhere(n, db_affected(r), e);
}
