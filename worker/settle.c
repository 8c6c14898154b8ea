/* SPDX-License-Identifier: Apache-2.0 */
/* settle: the transaction that writes what actions and retries came to. */
#include "settle.h"

#include "base/failpoint.h"
#include "bisect.h"
#include "outcomes.h"
#include "parked.h"
#include "record.h"
#include "type_pauses.h"

/* A parked SQL task: its statement runs in the settling transaction. */
static bool to_run(const struct entry *en)
{
        return en->state == ENTRY_PENDING && en->type->action == ACTION_SQL;
}

static bool any_to_run(const struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (to_run(&b->entries[i]))
                        return true;
        return false;
}

static size_t number_outcomes(struct transactor *t, struct batch *b)
{
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++) {
                struct entry *en = &b->entries[i];
                if (en->state != ENTRY_ACTED && !to_run(en))
                        continue;
                struct lane_partition *s = &t->partitions->list[en->partition];
                en->sequence = ++s->sequence;
                s->touched = true;
                n++;
        }
        return n;
}

/* What an earlier transaction has committed must be neither counted nor published again. */
static void forget_done(struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DONE || b->entries[i].state == ENTRY_PARKED)
                        b->entries[i].state = ENTRY_REPEATED;
                else if (b->entries[i].state == ENTRY_DEAD)
                        b->entries[i].state = ENTRY_IGNORED;
}

static int read_rerun(struct transactor *t, struct batch *b, const struct statement_group *g,
                      struct entry **list, size_t n, struct db_result *r, const struct err *poison,
                      struct err *e)
{
        const struct group_states states = { ENTRY_PENDING, ENTRY_ACTED, ENTRY_ACTED };
        if (!poison)
                return group_read(b, g, list, n, r, states, e);
        for (size_t i = 0; i < n; i++) {
                list[i]->state = ENTRY_ACTED;
                entry_fail(list[i], &t->retry, arena_span(b->arena, span_of(poison->text)));
        }
        return 0;
}

/* The pending entries of a group; those of SQL types if `sql`, else the others. */
static int rerun_group(struct transactor *t, struct batch *b, size_t group, bool sql, struct err *e)
{
        const struct statement_group *g = &b->groups[group];
        struct entry **list = arena_alloc(b->arena, (g->n + 1) * sizeof(struct entry *));
        size_t n = 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < g->n; i++)
                if (g->list[i]->state == ENTRY_PENDING && to_run(g->list[i]) == sql)
                        list[n++] = g->list[i];
        bisect_begin(t);
        if (n && sql && list[0]->locked && bisect_locked_before(t, n, e) < 0)
                return -1; /* so is all of the group, and much of it will still be */
        if (n && bisect_run(t, b, g, VARIANT_AGAIN, list, n, read_rerun, e) < 0)
                return -1;
        type_pauses_end_group(t, b, group, false);
        batch_block(b, group);
        return 0;
}

int settle_reevaluate(struct transactor *t, struct batch *b, struct err *e)
{
        bisect_limit_locks(t, LOCKS_AGAIN_MS);
        if (type_pauses_ready(t, b, e) < 0 || db_exec(t->db, "begin", e) < 0)
                return -1;
        for (size_t i = 0; i < b->n_groups; i++)
                if (rerun_group(t, b, i, false, e) < 0)
                        return transaction_roll_back_failed(t, e);
        return db_exec(t->db, "rollback", e);
}

int settle_batch(struct transactor *t, struct batch *b, struct err *e)
{
        bool fenced = false;
        forget_done(b);
        bisect_limit_locks(t, any_to_run(b) ? LOCKS_AGAIN_MS : LOCKS_MS);
        if (type_pauses_ready(t, b, e) < 0)
                return -1;
        if (number_outcomes(t, b) == 0)
                return 0;
        if (transaction_begin(t, &fenced, e) < 0)
                return -1;
        if (fenced)
                return transaction_roll_back_fenced(t, e);
        if (any_to_run(b) && bisect_short_locks(t, e) < 0) /* they have been waited for before */
                return -1;
        for (size_t i = 0; i < b->n_groups; i++)
                if (rerun_group(t, b, i, true, e) < 0 || record_group(t, b, &b->groups[i], e) < 0)
                        return transaction_roll_back_failed(t, e);
        if (outcomes_set(t, b, e) < 0 || parked_write(t, b, e) < 0 ||
            type_pauses_write(t, b, e) < 0)
                return -1;
        FAILPOINT("settle.uncommitted");
        return transaction_commit(t, b, e);
}

int settle_intend(struct transactor *t, struct batch *b, struct err *e)
{
        size_t n = 0;
        bool fenced = false;
        for (size_t i = 0; i < b->n; i++)
                if (outcomes_to_act(&b->entries[i])) {
                        t->partitions->list[b->entries[i].partition].touched = true;
                        n++;
                }
        if (n == 0)
                return 0;
        if (transaction_begin(t, &fenced, e) < 0)
                return -1;
        if (fenced)
                return transaction_roll_back_fenced(t, e);
        return outcomes_intend(t, b, n, e) < 0 ? -1 : transaction_commit(t, b, e);
}
