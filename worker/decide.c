/* SPDX-License-Identifier: Apache-2.0 */
/* decide: the transaction that gives each task of a batch its outcome, or its intent. */
#include "decide.h"

#include "base/failpoint.h"
#include "bisect.h"
#include "dead_letters.h"
#include "group.h"
#include "outcomes.h"
#include "parked.h"
#include "type_pauses.h"

#include <string.h>

/* After a statement met a task that has an outcome, this many batches check before. */
enum { CHECK_DUPLICATES_BATCHES = 64 };

/* An entry without a row had an outcome before. A dry run's rows were rolled back: its outcomes are
 * still to be written. Takes the result. */
static int read_result(struct batch *b, const struct statement_group *g, struct entry **list,
                       size_t n, struct db_result *r, struct err *e)
{
        struct group_states states = { .acts = g->dry_run ? ENTRY_DECIDED : ENTRY_PENDING,
                                       .decided = g->dry_run ? ENTRY_DECIDED : ENTRY_DONE,
                                       .without = ENTRY_REPEATED };
        if (group_read(b, g, list, n, r, states, e) < 0)
                return -1;
        for (size_t i = 0; g->dry_run && i < n; i++)
                if (list[i]->row_of)
                        list[i]->reason = SPAN_LIT("would be done");
        return 0;
}

static int decided_by_statement(struct transactor *t, struct batch *b,
                                const struct statement_group *g, struct entry **list, size_t n,
                                struct db_result *r, const struct err *poison, struct err *e)
{
        if (!poison)
                return read_result(b, g, list, n, r, e);
        for (size_t i = 0; i < n; i++) {
                entry_fail(list[i], &t->retry, arena_span(b->arena, span_of(poison->text)));
                list[i]->state = ENTRY_DECIDED;
        }
        return 0;
}

/* Why a transaction that was begun must not continue. */
struct opened {
        bool fenced;
        int64_t by_task; /* a run that the ledger keeps by task now; 0: none */
};

/* Groups [from, n) in one pipeline, with `opening` after the transaction's first statements. Gives
 * the first group that failed, or n. */
static int run_groups(struct transactor *t, struct batch *b, size_t from, bool opening,
                      const struct composed **composed, struct opened *ret_opened,
                      size_t *ret_failed, struct err *poison, struct err *e)
{
        struct err large = ERR_INIT;
        bool locked = false;
        size_t rows = 0, dead = opening ? batch_count(b, ENTRY_DEAD) : 0;
        if (db_pipeline_begin(t->db, e) < 0 ||
            (opening && (transaction_queue_begin(t, &rows, e) < 0 ||
                         transaction_queue_runs(t, b, &locked, e) < 0)))
                return -1;
        if (dead && dead_letters_queue(t, b, e) < 0)
                return -1;
        for (size_t i = from; i < b->n_groups; i++) {
                const struct statement_group *g = &b->groups[i];
                if (g->n && group_queue(t, g, composed[i], g->list, g->n, group_end_of(g), e) < 0)
                        return -1;
        }
        if (db_pipeline_sync(t->db, e) < 0 ||
            (opening && transaction_collect_begin(t, rows, &ret_opened->fenced, e) < 0) ||
            (locked && transaction_collect_runs(t, &ret_opened->by_task, e) < 0))
                return -1;
        if (dead && db_pipeline_result(t->db, NULL, e) < 0)
                return -1;
        *ret_failed = b->n_groups;
        for (size_t i = from; i < b->n_groups; i++) {
                struct db_result *r = NULL;
                struct err ignored = ERR_INIT;
                if (b->groups[i].n == 0) /* passed over */
                        continue;
                if (group_collect(t, group_end_of(&b->groups[i]), &r,
                                  *ret_failed < b->n_groups ? &ignored : poison) < 0) {
                        *ret_failed = i < *ret_failed ? i : *ret_failed;
                } else if (large.class != ERR_NONE) {
                        db_result_free(r);
                } else if (read_result(b, &b->groups[i], b->groups[i].list, b->groups[i].n, r, e) <
                           0) {
                        if (!batch_is_too_large(e))
                                return -1;
                        large = *e;
                }
                group_note_notices(t, &b->groups[i]);
        }
        if (db_pipeline_finish_sync(t->db, e) < 0 || db_pipeline_end(t->db, e) < 0)
                return -1;
        *e = large;
        return large.class == ERR_NONE ? 0 : -1;
}

static int compose_groups(struct transactor *t, const struct batch *b, size_t from, enum variant v,
                          const struct composed **composed, struct err *e)
{
        for (size_t i = from; i < b->n_groups; i++)
                if (b->groups[i].n && group_compose(t, &b->groups[i], v, &composed[i], e) < 0)
                        return -1;
        return 0;
}

static int run_all_groups(struct transactor *t, struct batch *b, struct opened *ret_opened,
                          struct err *e)
{
        const struct composed **composed = arena_alloc(b->arena, (b->n_groups + 1) *
                                                                         sizeof(struct composed *));
        if (!composed)
                return err_oom(e);
        if (compose_groups(t, b, 0, t->check_duplicates_for ? VARIANT_RUN : VARIANT_FRESH, composed,
                           e) < 0)
                return -1;
        bool opening = true;
        for (size_t from = 0;;) {
                struct err poison = ERR_INIT;
                size_t failed = 0;
                if (run_groups(t, b, from, opening, composed, ret_opened, &failed, &poison, e) < 0)
                        return -1;
                opening = false;
                if (ret_opened->fenced || ret_opened->by_task || failed == b->n_groups)
                        return 0;
                struct statement_group *g = &b->groups[failed];
                if (group_undo(t, &poison, g->n, e) < 0)
                        return -1;
                /* one of its tasks may have had an outcome */
                if (!t->check_duplicates_for && g->run && !g->placed &&
                    strcmp(poison.code, "55P03") != 0) {
                        t->check_duplicates_for = CHECK_DUPLICATES_BATCHES;
                        if (compose_groups(t, b, failed, VARIANT_RUN, composed, e) < 0)
                                return -1;
                        from = failed;
                        continue;
                }
                bisect_begin(t);
                if (bisect_failed(t, b, g, VARIANT_RUN, g->list, g->n, decided_by_statement,
                                  &poison, e) < 0)
                        return -1;
                type_pauses_end_group(t, b, failed, true);
                batch_block(b, failed);
                from = failed + 1;
                if (from == b->n_groups)
                        return 0;
        }
}

int decide_batch(struct transactor *t, struct batch *b, struct err *e)
{
        struct opened opened = { 0 };
        t->check_duplicates_for -= t->check_duplicates_for > 0;
        bisect_limit_locks(t, LOCKS_MS);
        if (transaction_prepare(t, e) < 0 || outcomes_number_types(t, b, e) < 0 ||
            dead_letters_shorten(b, e) < 0 || type_pauses_ready(t, b, e) < 0)
                return -1;
        if (run_all_groups(t, b, &opened, e) < 0)
                return transaction_roll_back_failed(t, e);
        if (opened.fenced)
                return transaction_roll_back_fenced(t, e);
        if (opened.by_task)
                return db_exec(t->db, "rollback", e) < 0 ? -1 : TRANSACTION_BY_TASK;
        if (outcomes_add(t, b, e) < 0 || dead_letters_refuse_reused(t, b, e) < 0 ||
            parked_write(t, b, e) < 0 || type_pauses_write(t, b, e) < 0)
                return -1;
        if (t->also && t->also(t->also_ctx, b, e) < 0)
                return -1;
        FAILPOINT("decide.uncommitted");
        return transaction_commit(t, b, e);
}
