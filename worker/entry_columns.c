/* SPDX-License-Identifier: Apache-2.0 */
/* Values of entries that their parameters need. */
#include "entry_columns.h"

#include "task_params.h"

static bool is_wanted(const void *row, void *ctx)
{
        const struct entry_rows *rows = ctx;
        return rows->wanted(row);
}

static int add_rowset(struct db_params *p, struct db_rowset set, struct entry_rows *rows,
                      const struct db_column *columns, size_t n, struct err *e)
{
        set.wanted = rows->wanted ? is_wanted : NULL;
        set.ctx = rows;
        rows->oom = false;
        db_add_columns(p, &set, columns, n);
        return rows->oom ? err_oom(e) : 0;
}

int entry_columns_add(struct db_params *p, const struct batch *b, struct entry_rows *rows,
                      const struct db_column *columns, size_t n, struct err *e)
{
        const struct db_rowset set = DB_ARRAY(b->entries, b->n);
        return add_rowset(p, set, rows, columns, n, e);
}

int entry_columns_add_list(struct db_params *p, struct entry *const *list, size_t n_list,
                           struct entry_rows *rows, const struct db_column *columns, size_t n,
                           struct err *e)
{
        const struct db_rowset set = DB_POINTERS(list, n_list);
        return add_rowset(p, set, rows, columns, n, e);
}

static const struct position *position_of(const struct entry *en, const void *ctx)
{
        const struct entry_rows *rows = ctx;
        return &rows->partitions->list[en->partition].at;
}

void entry_column_source_no(struct db_params *p, const void *row, void *ctx)
{
        db_element_int(p, position_of(row, ctx)->source_no);
}

void entry_column_topic(struct db_params *p, const void *row, void *ctx)
{
        db_element_text(p, span_of(position_of(row, ctx)->topic));
}

void entry_column_day(struct db_params *p, const void *row, void *ctx)
{
        char day[16];
        (void)ctx;
        task_params_run_day(((const struct entry *)row)->run, day);
        db_element_text(p, span_of(day));
}

void entry_column_run_no(struct db_params *p, const void *row, void *ctx)
{
        const struct entry *en = row;
        (void)ctx;
        db_element_int(p, en->run ? en->run->run_no : 0);
}

void entry_column_outcome(struct db_params *p, const void *row, void *ctx)
{
        const struct entry *en = row;
        (void)ctx;
        db_element_int(p, entry_waits(en) ? LEDGER_WAITING : (int64_t)en->outcome);
}

void entry_column_adhoc_id(struct db_params *p, const void *row, void *ctx)
{
        const struct entry *en = row;
        (void)ctx;
        db_element_uuid(p, en->run ? NULL : &en->task.task_id);
}

void entry_column_adhoc_actor(struct db_params *p, const void *row, void *ctx)
{
        const struct entry *en = row;
        (void)ctx;
        db_element_text(p, en->run ? (struct span){ 0 } : en->task.actor);
}

void entry_column_adhoc_arguments(struct db_params *p, const void *row, void *ctx)
{
        const struct entry *en = row;
        struct entry_rows *rows = ctx;
        struct err ignored = ERR_INIT;
        if (!en->run && task_params_arguments(&en->task, p, &ignored) == 0)
                return;
        rows->oom = rows->oom || !en->run;
        db_element_text(p, (struct span){ 0 });
}

void entry_column_replaces(struct db_params *p, const void *row, void *ctx)
{
        const struct entry *en = row;
        (void)ctx;
        db_element_text(p, en->replaces ? SPAN_LIT("3") : (struct span){ 0 });
}
