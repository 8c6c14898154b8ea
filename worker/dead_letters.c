/* Dead letters of the worker: messages that cannot be taken, and tasks under another task's id. */
#include "dead_letters.h"

#include "publish/dead_letter.h"
#include "task_params.h"
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

static void dead_letter_params(struct transactor *t, const struct batch *b, size_t n)
{
        static const enum db_type types[] = {
                DB_INT4, DB_INT8, DB_INT8, DB_TEXT, DB_BYTEA, DB_BYTEA
        };
        db_params_reset(t->params);
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++) {
                        const struct entry *en = &b->entries[i];
                        if (en->state != ENTRY_DEAD)
                                continue;
                        const int64_t numbers[] = { t->partitions->list[en->partition].at.source_no,
                                                    en->offset, en->sequence };
                        const struct span texts[] = { en->reason, en->key, en->value };
                        if (column < 3)
                                db_element_int(t->params, numbers[column]);
                        else
                                db_element_text(t->params, texts[column - 3]);
                }
                db_array_end(t->params);
        }
}

int dead_letters_queue(struct transactor *t, const struct batch *b, size_t n, struct err *e)
{
        dead_letter_params(t, b, n);
        return db_pipeline_query(t->db, sql_dead_letters_add, t->params, e);
}

/*
 * ---- ids that were used before ----
 * An ad-hoc task whose id the ledger has already: an exact repetition is nothing, another task
 * under that id is a dead letter. Queried only for a batch that has such a task.
 */

enum { COLUMNS = 6 };

static const char USED[] =
        "select n from rollcall.used_for_others($1::uuid[], $2::smallint[], $3::boolean[], $4::text[], $5::text[], $6::text[]) as n";

static int add_params(struct entry *const *list, size_t n, struct db_params *p, struct err *e)
{
        static const enum db_type types[COLUMNS] = { DB_UUID, DB_INT2, DB_BOOL,
                                                     DB_TEXT, DB_TEXT, DB_TEXT };
        db_params_reset(p);
        for (int column = 0; column < COLUMNS; column++) {
                db_array_begin(p, types[column], n);
                for (size_t i = 0; i < n; i++) {
                        const struct task *t = &list[i]->task;
                        if (column == 0)
                                db_element_uuid(p, &t->task_id);
                        else if (column < 3)
                                db_element_int(p,
                                               column == 1 ? list[i]->type_no : list[i]->dry_run);
                        else if (column < 5)
                                db_element_text(p, column == 3   ? t->subject
                                                   : t->item.ptr ? t->item
                                                                 : SPAN_LIT(""));
                        else if (task_params_arguments(t, p, e) < 0)
                                return -1;
                }
                db_array_end(p);
        }
        return 0;
}

static void refuse(struct batch *b, struct entry *en)
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
        size_t n = 0, total = 0;
        for (size_t i = 0; i < b->n; i++)
                total += b->entries[i].state == ENTRY_REPEATED && !b->entries[i].run;
        if (total == 0)
                return 0;
        struct entry **list = arena_alloc(b->arena, total * sizeof(struct entry *));
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_REPEATED && !b->entries[i].run)
                        list[n++] = &b->entries[i];
        if (add_params(list, n, t->params, e) < 0 || db_query(t->db, USED, t->params, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        for (int row = 0; row < db_rows(r); row++)
                refuse(b, list[db_int(r, row, 0) - 1]);
        if (dead_letters_shorten(b, e) < 0)
                return -1;
        dead_letter_params(t, b, batch_count(b, ENTRY_DEAD));
        return db_query(t->db, sql_dead_letters_add, t->params, NULL, e);
}
