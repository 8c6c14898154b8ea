/*
 * An ad-hoc task whose id the ledger has already: an exact repetition is nothing, another task
 * under that id is a dead letter. Asked only of a batch that has such a task.
 */
#include "transact_parts.h"
#include "worker_statements.h"

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
                        else if (add_arguments(t, p, e) < 0)
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
        entry_bury(en,
                   reason.ptr ? reason : SPAN_LIT("the task id was used before, for another task"));
}

int transact_refuse_reused(struct transactor *t, struct batch *b, struct err *e)
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
        if (transact_drop_large_originals(b, e) < 0)
                return -1;
        transact_dead_letter_params(t, b, batch_count(b, ENTRY_DEAD));
        return db_query(t->db, sql_dead_letters_add, t->params, NULL, e);
}
