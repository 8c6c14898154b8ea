#include "tally.h"

#include "transact.h"

#include <string.h>

static struct tally *tally_of(struct tallies *t, int64_t run_no, int source, struct arena *a)
{
        for (size_t i = t->n; i-- > 0;) /* the last one is the likeliest */
                if (t->list[i].source == source && t->list[i].run_no == run_no)
                        return &t->list[i];
        if (t->n == t->cap) {
                size_t cap = t->cap ? t->cap * 2 : 64;
                struct tally *list = arena_alloc(a, cap * sizeof *list);
                if (!list)
                        return NULL;
                if (t->n)
                        memcpy(list, t->list, t->n * sizeof *list);
                t->list = list;
                t->cap = cap;
        }
        t->list[t->n] = (struct tally){ .run_no = run_no, .source = source };
        return &t->list[t->n++];
}

static void add_follow_up(void *ctx, const struct entry *en, struct span name)
{
        struct tally *t = ctx;
        t->spawned++;
        uuid_digest_add(&t->digest, follow_up_id(en, name));
}

int tally_add(struct tallies *t, const struct entry *en, struct arena *a)
{
        struct tally *x = tally_of(t, en->run ? en->run->run_no : 0, en->source, a);
        if (!x)
                return -1;
        x->counts[en->outcome]++;
        if (en->replaces)
                x->counts[OUTCOME_QUARANTINED]--;
        else
                uuid_digest_add(&x->digest, en->task.task_id);
        follow_ups_each(en, add_follow_up, x);
        return 0;
}

void tally_params(const struct tallies *t, const struct sources *s, struct db_params *p)
{
        for (int column = 0; column < 10; column++) {
                db_array_begin(p, column == 1 ? DB_INT4 : DB_INT8, t->n);
                for (size_t i = 0; i < t->n; i++) {
                        const struct tally *x = &t->list[i];
                        const int64_t values[10] = { x->run_no,
                                                     s->list[x->source].source_no,
                                                     x->counts[OUTCOME_APPLIED],
                                                     x->counts[OUTCOME_SKIPPED],
                                                     x->counts[OUTCOME_FAILED],
                                                     x->counts[OUTCOME_QUARANTINED],
                                                     x->counts[OUTCOME_UNKNOWN],
                                                     x->spawned,
                                                     (int64_t)x->digest.a,
                                                     (int64_t)x->digest.b };
                        db_element_int(p, values[column]);
                }
                db_array_end(p);
        }
}
