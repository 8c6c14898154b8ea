/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters of the worker: messages that cannot be taken, and tasks under another task's id. */
#include "dead_letters.h"

#include "publish/dead_letter.h"
#include "entry_columns.h"
#include "worker_statements.h"

/* Originals of any size come; not all are kept. */
int dead_letters_shorten(struct batch *b, struct err *e)
{
        for (size_t i = 0; i < b->n; i++) {
                struct entry *en = &b->entries[i];
                if (en->state != ENTRY_DEAD || en->key.len + en->value.len <= DEAD_LETTER_KEPT_MAX)
                        continue;
                BUF_CLEANUP struct buf text;
                buf_init(&text, DEAD_LETTER_REASON_MAX);
                dead_letter_keep(en->reason, &en->key, &en->value, &text);
                en->reason = arena_span(b->arena, (struct span){ buf_str(&text), text.len });
                if (!en->reason.ptr)
                        return err_oom(e);
        }
        return 0;
}

static bool is_dead(const struct entry *en)
{
        return en->state == ENTRY_DEAD;
}

static int dead_letter_params(struct transactor *t, const struct batch *b, struct err *e)
{
        static const struct db_column columns[] = {
                DB_CALL(DB_INT4, entry_column_source_no),  DB_FIELD(DB_INT8, struct entry, offset),
                DB_FIELD(DB_INT8, struct entry, sequence), DB_FIELD(DB_TEXT, struct entry, reason),
                DB_FIELD(DB_BYTEA, struct entry, key),     DB_FIELD(DB_BYTEA, struct entry, value),
        };
        struct entry_rows rows = { .partitions = t->partitions, .wanted = is_dead };
        db_params_reset(t->params);
        return entry_columns_add(t->params, b, &rows, columns, ARRAY_LEN(columns), e);
}

int dead_letters_queue(struct transactor *t, const struct batch *b, struct err *e)
{
        return dead_letter_params(t, b, e) < 0
                       ? -1
                       : db_pipeline_query(t->db, sql_dead_letters_add, t->params, e);
}

/*
 * ---- ids that were used before ----
 * An ad-hoc task whose id the ledger has already: an exact repetition is nothing, another task
 * under that id is a dead letter. Queried only for a batch that has such a task.
 */

static const char USED[] = "select n from rollcall.used_for_others($1::uuid[], $2::smallint[], "
                           "$3::boolean[], $4::text[], "
                           "$5::text[], $6::text[]) as n";

static int reused_params(struct transactor *t, struct entry *const *list, size_t n, struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_UUID, struct entry, task.task_id),
                DB_FIELD(DB_INT2, struct entry, type_no),
                DB_FIELD(DB_BOOL, struct entry, dry_run),
                DB_FIELD(DB_TEXT, struct entry, task.subject),
                DB_FIELD_NOT_NULL(DB_TEXT, struct entry, task.item),
                DB_CALL(DB_TEXT, entry_column_adhoc_arguments),
        };
        struct entry_rows rows = { .partitions = t->partitions };
        db_params_reset(t->params);
        return entry_columns_add_list(t->params, list, n, &rows, columns, ARRAY_LEN(columns), e);
}

static void refuse_reused(struct batch *b, struct entry *en)
{
        char id[UUID_TEXT_LEN + 1];
        BUF_CLEANUP struct buf text;
        buf_init(&text, 200);
        uuid_to_text(en->task.task_id, id);
        buf_addf(&text, "the task id %s was used before, for another task", id);
        struct span reason = arena_span(b->arena, (struct span){ buf_str(&text), text.len });
        entry_dead_letter(en, reason.ptr
                                      ? reason
                                      : SPAN_LIT("the task id was used before, for another task"));
}

int dead_letters_refuse_reused(struct transactor *t, struct batch *b, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct entry **list = NULL;
        size_t n = 0, repeated = 0;
        if (batch_count(b, ENTRY_REPEATED) == 0)
                return 0;
        if (batch_list(b, ENTRY_REPEATED, &list, &repeated, e) < 0)
                return -1;
        for (size_t i = 0; i < repeated; i++)
                if (!list[i]->run)
                        list[n++] = list[i];
        if (n == 0)
                return 0;
        if (reused_params(t, list, n, e) < 0 || db_query(t->db, USED, t->params, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        for (int row = 0; row < db_rows(r); row++)
                refuse_reused(b, list[db_int(r, row, 0) - 1]);
        if (dead_letters_shorten(b, e) < 0)
                return -1;
        return dead_letter_params(t, b, e) < 0
                       ? -1
                       : db_query(t->db, sql_dead_letters_add, t->params, NULL, e);
}
