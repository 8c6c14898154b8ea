/* SPDX-License-Identifier: Apache-2.0 */
/* The statement of one statement group: parameters, pipeline, result. */
#include "group.h"

#include "task_params.h"

#include <string.h>

enum { CONFLICTS_MAX = 5 };

static const char UNDO[] = "rollback to savepoint statement; release savepoint statement";

/* ---- one group ---- */

static int group_params(struct transactor *t, const struct composed *c,
                        const struct statement_group *g, struct entry **list, size_t n,
                        struct err *e)
{
        struct run_values v = {
                .now = g->run ? g->run->scheduled_at : INSTANT_NONE,
                .run_id = g->run ? g->run->run_id : (struct uuid){ { 0 } },
                .actor = g->run ? g->run->requested_by : "",
                .dry_run = g->dry_run,
                .pack = g->type->pack,
        };
        struct arena *scratch CLEANUP(arena_cleanup) = g->run ? NULL : arena_new(1024 * 1024);
        const struct run *run = g->run ? g->run : g->about;
        struct span actor = n ? list[0]->task.actor : (struct span){ 0 };
        if (!g->run && (!scratch ||
                        !(v.actor = arena_strndup(scratch, actor.ptr ? actor.ptr : "", actor.len))))
                return err_oom(e);
        if (run_task_settings(run, g->type->pack, scratch, &v, e) < 0)
                return -1;
        db_params_reset(t->params);
        return task_params_group(c, g, list, n, t->partitions, &v, t->params, e);
}

int group_compose(struct transactor *t, const struct statement_group *g, enum variant v,
                  const struct composed **ret, struct err *e)
{
        if (v == VARIANT_RUN || v == VARIANT_FRESH)
                v = !g->run ? VARIANT_ADHOC : g->placed ? VARIANT_PLACED : v;
        return compose(t->composer, t->db, g->type, g->type_no, v, ret, e);
}

enum group_end group_end_of(const struct statement_group *g)
{
        return !g->dry_run ? GROUP_KEEP : g->run ? GROUP_REHEARSE : GROUP_ROLL_BACK;
}

/* Outside of the savepoint: what is remembered must outlive it. */
static const char TOUCHED_BEFORE[] =
        "select set_config('rollcall.touched', rollcall.touched_now()::text, true)";
static const char TOUCHED_AFTER[] = "select rollcall.note_touched($1, $2::smallint)";

static int queue_touched(struct transactor *t, const struct statement_group *g, struct err *e)
{
        db_params_reset(t->params);
        db_add_int8(t->params, g->run->run_no);
        db_add_int4(t->params, g->type_no);
        return db_pipeline_query(t->db, TOUCHED_AFTER, t->params, e);
}

int group_queue(struct transactor *t, const struct statement_group *g, const struct composed *c,
                struct entry **list, size_t n, enum group_end end, struct err *e)
{
        if (end == GROUP_REHEARSE && db_pipeline_query(t->db, TOUCHED_BEFORE, NULL, e) < 0)
                return -1;
        if (db_pipeline_query(t->db, "savepoint statement", NULL, e) < 0)
                return -1;
        db_params_reset(t->params);
        db_add_str(t->params, g->type->pack->search_path);
        if (db_pipeline_query(t->db, "select set_config('search_path', $1, true)", t->params, e) <
            0)
                return -1;
        if (group_params(t, c, g, list, n, e) < 0 ||
            db_pipeline_run(t->db, c->name, t->params, e) < 0)
                return -1;
        if (end != GROUP_KEEP &&
            db_pipeline_query(t->db, "rollback to savepoint statement", NULL, e) < 0)
                return -1;
        if (db_pipeline_query(t->db, "release savepoint statement", NULL, e) < 0)
                return -1;
        return end == GROUP_REHEARSE ? queue_touched(t, g, e) : 0;
}

int group_collect(struct transactor *t, enum group_end end, struct db_result **ret, struct err *e)
{
        struct err later = ERR_INIT;
        struct db_result *r = NULL;
        int before = end == GROUP_REHEARSE ? 3 : 2,
            after = end == GROUP_REHEARSE    ? 3
                    : end == GROUP_ROLL_BACK ? 2
                                             : 1,
            rc = 0;
        for (int i = 0; i < before + 1 + after; i++)
                if (db_pipeline_result(t->db, i == before ? &r : NULL, rc < 0 ? &later : e) < 0)
                        rc = -1;
        if (rc < 0)
                db_result_free(r);
        else
                *ret = r;
        return rc;
}

/* ---- results ---- */

static int check_row(const struct statement_group *g, size_t n, const struct db_result *r, int row,
                     struct err *e)
{
        int64_t number = db_int(r, row, COLUMN_N), outcome = db_int(r, row, COLUMN_OUTCOME);
        bool acts = g->type->action != ACTION_SQL;
        bool known = outcome == (acts ? LEDGER_PENDING : OUTCOME_APPLIED) ||
                     outcome == OUTCOME_SKIPPED || outcome == OUTCOME_FAILED;
        if (db_null(r, row, COLUMN_N) || number < 1 || (size_t)number > n || (size_t)db_rows(r) > n)
                return err_set(e, ERR_FATAL, "", "%s: a result row without its task",
                               g->type->statement.path);
        if (db_null(r, row, COLUMN_OUTCOME) || !known)
                return err_set(e, ERR_FATAL, "", "%s: a result row with the unknown outcome \"%s\"",
                               g->type->statement.path, db_str(r, row, COLUMN_OUTCOME));
        return 0;
}

static void read_row(struct entry *en, const struct db_result *r, int row,
                     const struct group_states *states)
{
        int64_t outcome = db_int(r, row, COLUMN_OUTCOME);
        en->reason = db_span(r, row, COLUMN_REASON);
        en->before = db_span(r, row, COLUMN_BEFORE);
        en->after = db_span(r, row, COLUMN_AFTER);
        en->follow_ups = db_span(r, row, COLUMN_FOLLOW_UPS);
        en->outcome = outcome < 0 ? OUTCOME_APPLIED : (enum outcome)outcome;
        en->state = outcome < 0 ? states->acts : states->decided;
        en->row_of = outcome < 0 ? r : NULL;
        en->row = row;
}

/* The next of the numbers "{1,2,…}"; 0: there is none left. */
static int64_t next_number(struct span *list)
{
        int64_t n = 0;
        while (list->len && (*list->ptr < '0' || *list->ptr > '9')) {
                list->ptr++;
                list->len--;
        }
        while (list->len && *list->ptr >= '0' && *list->ptr <= '9') {
                n = 10 * n + (*list->ptr++ - '0');
                list->len--;
        }
        return n;
}

/* A row has the numbers of all entries of its answer; each entry is in one row. */
static int read_placed(const struct statement_group *g, struct entry **list, size_t n,
                       const struct db_result *r, enum entry_state decided, struct err *e)
{
        const struct group_states states = { .acts = decided, .decided = decided };
        size_t read = 0;
        for (int row = 0; row < db_rows(r); row++) {
                struct span numbers = db_span(r, row, COLUMN_N);
                int64_t outcome = db_int(r, row, COLUMN_OUTCOME);
                bool known = !db_null(r, row, COLUMN_OUTCOME) &&
                             (outcome == OUTCOME_APPLIED || outcome == OUTCOME_SKIPPED ||
                              outcome == OUTCOME_FAILED);
                for (int64_t i; (i = next_number(&numbers)) > 0; read++) {
                        if ((size_t)i > n || !known || list[i - 1]->state != ENTRY_READY)
                                return err_set(e, ERR_FATAL, "",
                                               "%s: a result that its tasks cannot have",
                                               g->type->statement.path);
                        read_row(list[i - 1], r, row, &states);
                        list[i - 1]->in_batch = decided == ENTRY_DONE;
                }
        }
        return read == n ? 0
                         : err_set(e, ERR_FATAL, "", "%s: a task without a result",
                                   g->type->statement.path);
}

/* Rows name their entries by number. */
int group_read(struct batch *b, const struct statement_group *g, struct entry **list, size_t n,
               struct db_result *r, struct group_states states, struct err *e)
{
        if (batch_keep(b, r, e) < 0)
                return -1;
        if (g->placed)
                return read_placed(g, list, n, r, states.decided, e);
        for (size_t i = 0; i < n; i++)
                list[i]->state = states.without;
        for (int row = 0; row < db_rows(r); row++) {
                if (check_row(g, n, r, row, e) < 0)
                        return -1;
                read_row(list[db_int(r, row, COLUMN_N) - 1], r, row, &states);
        }
        return 0;
}

/* ---- failures ---- */

/* A conflict with other transactions is waited for, but only for some times: a statement that
 * always reports one would keep all others from their work. */
static bool is_waited_for(struct transactor *t, const struct err *why, size_t n)
{
        if (batch_is_too_large(why))
                return n > 1; /* for fewer; of a single task it is its own fault */
        if (!db_server_state(why))
                return false;
        if (strncmp(why->code, "40", 2) != 0)
                return true;
        return ++t->conflicts <= CONFLICTS_MAX;
}

void group_note_notices(struct transactor *t, const struct statement_group *g)
{
        const char *first;
        size_t n = db_notices(t->db, &first);
        if (n)
                notices_add(&t->notices, g->type, n, first);
}

int group_undo(struct transactor *t, const struct err *why, size_t n, struct err *e)
{
        *e = *why;
        return is_waited_for(t, why, n) ? -1 : group_roll_back(t, e);
}

int group_roll_back(struct transactor *t, struct err *e)
{
        return db_exec(t->db, UNDO, e);
}
