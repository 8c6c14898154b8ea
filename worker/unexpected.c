/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that name a run which, as far as this worker knows, does not take them: the run is over, or
 * its job has no such type. The ledger has which of them belong to it nevertheless: repetitions,
 * what a worker of a newer pack planned or spawned, what a replay spawned after the run was closed.
 * The others are dead letters, so that no stranger's message counts in a run.
 */
#include "unexpected.h"

#include "admit.h"
#include "worker_statements.h"

enum { C_N, C_STATE, C_DONE, C_PLANNED, C_SPAWNED };

static void lookup_params(const struct lane_worker *w, struct entry *const *list, size_t n,
                          struct db_params *q)
{
        size_t types = 0;
        db_params_reset(q);
        db_array_begin(q, DB_UUID, n);
        for (size_t i = 0; i < n; i++)
                db_element_uuid(q, &list[i]->task.run_id);
        db_array_end(q);
        for (int column = 0; column < 3; column++) {
                db_array_begin(q, DB_TEXT, n);
                for (size_t i = 0; i < n; i++) {
                        const struct span texts[] = { list[i]->task.type, list[i]->task.subject,
                                                      list[i]->task.item };
                        db_element_text(q, texts[column].ptr ? texts[column] : SPAN_LIT(""));
                }
                db_array_end(q);
        }
        for (size_t i = 0; i < w->o->packs->n; i++)
                types += w->o->packs->list[i]->n_types;
        db_array_begin(q, DB_INT2, types);
        for (size_t i = 0; i < w->o->packs->n; i++)
                for (size_t j = 0; j < w->o->packs->list[i]->n_types; j++)
                        db_element_int(q, type_number(w->types, &w->o->packs->list[i]->types[j]));
        db_array_end(q);
}

static void refuse(struct lane_worker *w, struct entry *en, bool open, const char *state)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, 1024);
        if (open && en->unplanned)
                buf_adds(&text,
                         "the run's plan does not have this task, and no task of it that was "
                         "applied has it as its follow-up");
        else if (open)
                buf_addf(&text,
                         "%.*s is no task type of the run's job %s.%s, nor a follow-up of one",
                         SPAN_FMT(en->task.type), en->run->pack_name, en->run->job_name);
        else
                buf_addf(&text, "the run takes no tasks: it is in state \"%s\"", state);
        struct span reason = arena_span(w->batch.arena, (struct span){ buf_str(&text), text.len });
        entry_dead_letter(en, reason.ptr ? reason : SPAN_LIT("the run does not take this task"));
}

static int resolve(struct lane_worker *w, struct entry *en, const struct db_result *r, int row,
                   struct err *e)
{
        enum run_state state;
        if (!run_state_parse(db_str(r, row, C_STATE), &state))
                return err_set(e, ERR_FATAL, "", "a run in the unknown state \"%s\"",
                               db_str(r, row, C_STATE));
        bool open = state == RUN_PLANNED || state == RUN_PUBLISHED || state == RUN_CANCELLED;
        bool spawned = db_bool(r, row, C_SPAWNED);
        bool its_own = !en->unplanned &&
                       (db_bool(r, row, C_PLANNED) ||
                        (en->type && ((en->run->job && job_takes(en->run->job, en->type)) ||
                                      run_has_type(en->run, en->type))));
        if (db_bool(r, row, C_DONE))
                en->state = ENTRY_REPEATED;
        else if (spawned || (open && its_own))
                admit_expected(en, w->types, w->batch.arena);
        else
                refuse(w, en, open, db_str(r, row, C_STATE));
        return 0;
}

int unexpected_resolve(struct lane_worker *w, struct err *e)
{
        struct batch *b = &w->batch;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct entry **list = NULL;
        size_t n = 0;
        if (batch_count(b, ENTRY_UNEXPECTED) == 0)
                return 0;
        if (batch_list(b, ENTRY_UNEXPECTED, &list, &n, e) < 0)
                return -1;
        lookup_params(w, list, n, w->transactor.params);
        if (db_query(w->db, sql_run_takes_tasks, w->transactor.params, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                entry_dead_letter(list[i], SPAN_LIT("no such run"));
        for (int row = 0; row < db_rows(r); row++)
                if (resolve(w, list[db_int(r, row, C_N) - 1], r, row, e) < 0)
                        return -1;
        return 0;
}
