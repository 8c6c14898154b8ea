/* SPDX-License-Identifier: Apache-2.0 */
/* A group's tasks as the parameters of its composed statement. */
#include "task_params.h"

#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_JSON_MAX = 1024 * 1024 };

static struct span argument_of(const struct statement_group *g, const struct task *t,
                               const struct parameter *d)
{
        for (size_t i = 0; i < t->n_arguments; i++)
                if (span_is(t->arguments[i].name, d->name))
                        return t->arguments[i].value;
        if (d->from_actor)
                return g->run         ? span_of(g->run->requested_by)
                       : t->actor.ptr ? t->actor
                                      : SPAN_LIT("");
        return span_of(d->default_value);
}

static void add_subjects(const struct statement_group *g, struct entry *const *list, size_t n,
                         struct db_params *p)
{
        bool integer = g->type->subject_type == VALUE_INTEGER;
        db_array_begin(p,
                       integer                               ? DB_INT8
                       : g->type->subject_type == VALUE_UUID ? DB_UUID
                                                             : DB_TEXT,
                       n);
        for (size_t i = 0; i < n; i++) {
                struct uuid id = { { 0 } };
                if (integer)
                        db_element_int(p, list[i]->subject_int);
                else if (g->type->subject_type == VALUE_UUID &&
                         uuid_parse(list[i]->task.subject.ptr, list[i]->task.subject.len, &id))
                        db_element_uuid(p, &id);
                else
                        db_element_text(p, list[i]->task.subject);
        }
        db_array_end(p);
}

/* What only the ledger's rows need is left out where the statement writes none. */
static void add_origin(const struct statement_group *g, struct entry *const *list, size_t n,
                       const struct lane_partitions *partitions, struct db_params *p)
{
        size_t items = 0;
        for (size_t i = 0; i < n; i++)
                items = list[i]->task.item.len ? n : items;
        db_array_begin(p, DB_TEXT, items);
        for (size_t i = 0; i < items; i++)
                db_element_text(p, list[i]->task.item.ptr ? list[i]->task.item : SPAN_LIT(""));
        db_array_end(p);
        n = g->placed ? 0 : n;
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, partitions->list[list[i]->partition].at.source_no);
        db_array_end(p);
        db_array_begin(p, DB_INT8, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, list[i]->offset);
        db_array_end(p);
        db_array_begin(p, DB_INT8, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, list[i]->sequence);
        db_array_end(p);
}

void task_params_run_day(const struct run *run, char text[16])
{
        int y, m, d;
        if (run) {
                civil_from_days(run->day, &y, &m, &d);
                snprintf(text, 16, "%04d-%02d-%02d", y, m, d);
        } else {
                snprintf(text, 16, "-infinity");
        }
}

void task_params_run_key(const struct run *run, struct db_params *p)
{
        char day[16];
        task_params_run_day(run, day);
        db_add_str(p, day);
        db_add_int8(p, run ? run->run_no : 0);
}

int task_params_arguments(const struct task *t, struct db_params *p, struct err *e)
{
        BUF_CLEANUP struct buf json;
        buf_init(&json, ARGUMENTS_JSON_MAX); /* admit_entry lets no more through */
        arguments_to_json(t->arguments, t->n_arguments, &json);
        if (json.failed)
                return err_oom(e);
        db_element_text(p, (struct span){ buf_str(&json), json.len });
        return 0;
}

int task_params_group(const struct composed *c, const struct statement_group *g,
                      struct entry *const *list, size_t n, const struct lane_partitions *partitions,
                      const struct run_values *values, struct db_params *p, struct err *e)
{
        add_subjects(g, list, n, p);
        add_origin(g, list, n, partitions, p);
        db_array_begin(p, DB_UUID, g->run ? 0 : n);
        for (size_t i = 0; !g->run && i < n; i++)
                db_element_uuid(p, &list[i]->task.task_id);
        db_array_end(p);
        size_t actors = g->run && n ? 1 : n; /* one would make a row of an empty batch */
        db_array_begin(p, DB_TEXT, actors);
        for (size_t i = 0; i < actors; i++)
                db_element_text(p, g->run                    ? span_of(g->run->requested_by)
                                   : list[i]->task.actor.ptr ? list[i]->task.actor
                                                             : SPAN_LIT(""));
        db_array_end(p);
        task_params_run_key(g->run, p);
        db_array_begin(p, DB_TEXT, g->run ? 0 : n);
        for (size_t i = 0; !g->run && i < n; i++)
                if (task_params_arguments(&list[i]->task, p, e) < 0)
                        return -1;
        db_array_end(p);
        for (size_t k = 0; k < g->type->n_arguments; k++) {
                db_array_begin(p, DB_TEXT, n);
                for (size_t i = 0; i < n; i++)
                        db_element_text(p, argument_of(g, &list[i]->task, &g->type->arguments[k]));
                db_array_end(p);
        }
        return compose_add_values(c, values, p, e);
}
