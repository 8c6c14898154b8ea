/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of rollcall.outcome: added for what no statement decided, set for what was settled. */
#include "outcomes.h"

#include "batch_rows.h"
#include "entry_columns.h"
#include "worker_statements.h"

enum { TYPES_MAX = 10000 };

int outcomes_add(struct transactor *t, struct batch *b, struct err *e)
{
        static const struct db_column columns[] = {
                DB_CALL(DB_TEXT, entry_column_day),
                DB_CALL(DB_INT8, entry_column_run_no),
                DB_FIELD(DB_INT2, struct entry, type_no),
                DB_FIELD(DB_TEXT, struct entry, task.subject),
                DB_FIELD_NOT_NULL(DB_TEXT, struct entry, task.item),
                DB_CALL(DB_INT4, entry_column_source_no),
                DB_FIELD(DB_INT8, struct entry, offset),
                DB_FIELD(DB_INT8, struct entry, sequence),
                DB_CALL(DB_INT2, entry_column_outcome),
                DB_FIELD(DB_TEXT, struct entry, reason),
                DB_FIELD(DB_TEXT, struct entry, before),
                DB_FIELD(DB_TEXT, struct entry, after),
                DB_CALL(DB_UUID, entry_column_adhoc_id),
                DB_CALL(DB_TEXT, entry_column_adhoc_actor),
                DB_FIELD(DB_BOOL, struct entry, dry_run),
                DB_CALL(DB_TEXT, entry_column_adhoc_arguments),
        };
        struct entry_rows rows = { .partitions = t->partitions };
        size_t n = 0;
        struct entry **list = NULL;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DECIDED && batch_rows_takes(&b->entries[i])) {
                        b->entries[i].in_batch = true;
                        b->entries[i].state = ENTRY_DONE;
                }
        if (batch_count(b, ENTRY_DECIDED) == 0)
                return 0;
        if (batch_list(b, ENTRY_DECIDED, &list, &n, e) < 0)
                return -1;
        db_params_reset(t->params);
        if (entry_columns_add_list(t->params, list, n, &rows, columns, ARRAY_LEN(columns), e) < 0)
                return -1;
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

static bool is_acted(const struct entry *en)
{
        return en->state == ENTRY_ACTED;
}

int outcomes_set(struct transactor *t, struct batch *b, struct err *e)
{
        static const struct db_column columns[] = {
                DB_CALL(DB_INT4, entry_column_source_no),
                DB_FIELD(DB_INT8, struct entry, offset),
                DB_CALL(DB_INT2, entry_column_outcome),
                DB_FIELD(DB_INT8, struct entry, sequence),
                DB_FIELD(DB_INT2, struct entry, attempt),
                DB_CALL(DB_TEXT, entry_column_replaces),
                DB_FIELD_NOT_NULL(DB_TEXT, struct entry, reason),
                DB_FIELD(DB_TEXT, struct entry, before),
                DB_FIELD(DB_TEXT, struct entry, after),
                DB_FIELD(DB_TEXT, struct entry, follow_ups),
        };
        struct entry_rows rows = { .partitions = t->partitions, .wanted = is_acted };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t n = batch_count(b, ENTRY_ACTED);
        db_params_reset(t->params);
        if (entry_columns_add(t->params, b, &rows, columns, ARRAY_LEN(columns), e) < 0)
                return -1;
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
        static const struct db_column columns[] = {
                DB_CALL(DB_INT4, entry_column_source_no),
                DB_FIELD(DB_INT8, struct entry, offset),
                DB_FIELD(DB_INT2, struct entry, attempt),
                DB_CALL(DB_TEXT, entry_column_replaces),
        };
        struct entry_rows rows = { .partitions = t->partitions, .wanted = outcomes_to_act };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(t->params);
        if (entry_columns_add(t->params, b, &rows, columns, ARRAY_LEN(columns), e) < 0)
                return -1;
        if (db_query(t->db, sql_intents_set, t->params, &r, e) < 0)
                return -1;
        return db_affected(r) == (int64_t)n ? 0 : settled_elsewhere(n, db_affected(r), e);
}
