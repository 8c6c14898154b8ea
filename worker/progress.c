/* SPDX-License-Identifier: Apache-2.0 */
/* Counts and digests of a batch, by run and source partition. */
#include "progress.h"

#include "follow_up.h"
#include "worker_statements.h"

#include <string.h>

static struct progress_row *row_of_run(struct progress *t, int64_t run_no, int partition,
                                       struct arena *a)
{
        for (size_t i = t->n; i-- > 0;) /* the last one is the likeliest */
                if (t->list[i].partition == partition && t->list[i].run_no == run_no)
                        return &t->list[i];
        if (t->n == t->cap) {
                size_t cap = t->cap ? t->cap * 2 : 64;
                struct progress_row *list = arena_alloc(a, cap * sizeof *list);
                if (!list)
                        return NULL;
                if (t->n)
                        memcpy(list, t->list, t->n * sizeof *list);
                t->list = list;
                t->cap = cap;
        }
        t->list[t->n] = (struct progress_row){ .run_no = run_no, .partition = partition };
        return &t->list[t->n++];
}

static void add_follow_up(void *ctx, const struct entry *en, struct span name)
{
        struct progress_row *t = ctx;
        t->spawned++;
        uuid_digest_add(&t->digest, follow_up_id(en, name));
}

int progress_add(struct progress *t, const struct entry *en, struct arena *a)
{
        struct progress_row *x = row_of_run(t, en->run ? en->run->run_no : 0, en->partition, a);
        if (!x)
                return -1;
        x->counts[en->outcome]++;
        if (en->replaces)
                x->counts[OUTCOME_QUARANTINED]--;
        else
                uuid_digest_add(&x->digest, en->task.task_id);
        follow_up_each(en, add_follow_up, x);
        return 0;
}

int progress_take(struct progress *t, const struct entry *en, struct arena *a)
{
        if (!en->place)
                return 0;
        struct progress_row *x = row_of_run(t, en->run->run_no, en->partition, a);
        if (!x)
                return -1;
        if (x->place < en->place)
                x->place = en->place;
        return 0;
}

void progress_params(const struct progress *t, const struct lane_partitions *s, struct db_params *p)
{
        for (int column = 0; column < 11; column++) {
                db_array_begin(p, column == 1 ? DB_INT4 : DB_INT8, t->n);
                for (size_t i = 0; i < t->n; i++) {
                        const struct progress_row *x = &t->list[i];
                        const int64_t values[11] = { x->run_no,
                                                     s->list[x->partition].at.source_no,
                                                     x->counts[OUTCOME_APPLIED],
                                                     x->counts[OUTCOME_SKIPPED],
                                                     x->counts[OUTCOME_FAILED],
                                                     x->counts[OUTCOME_QUARANTINED],
                                                     x->counts[OUTCOME_UNKNOWN],
                                                     x->spawned,
                                                     (int64_t)x->digest.a,
                                                     (int64_t)x->digest.b,
                                                     x->place };
                        db_element_int(p, values[column]);
                }
                db_array_end(p);
        }
}

/* A replaced outcome of a run that closes just now: what this worker last read of it does not
 * count. */
static bool is_late(const struct entry *en)
{
        return en->state == ENTRY_DONE && en->run &&
               (en->replaces || !run_state_open(en->run->state)) && en->run->state != RUN_CANCELLED;
}

int progress_note_recounts(struct db *d, struct db_params *p, const struct batch *b, struct err *e)
{
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                n += is_late(&b->entries[i]);
        if (n == 0)
                return 0;
        db_params_reset(p);
        db_array_begin(p, DB_INT8, n);
        for (size_t i = 0; i < b->n; i++)
                if (is_late(&b->entries[i]))
                        db_element_int(p, b->entries[i].run->run_no);
        db_array_end(p);
        return db_query(d, sql_recount_add, p, NULL, e);
}
