/* SPDX-License-Identifier: Apache-2.0 */
/* The newest errors of a task type, as a heap with the oldest of them first. */
#include "aggregator/fold_errors.h"

#include "aggregator/fold_check.h"
#include "base/utf8.h"

#include <string.h>

static bool older(const struct fold_error *a, const struct fold_error *b)
{
        return a->at != b->at ? a->at < b->at
                              : memcmp(&a->event_id, &b->event_id, sizeof a->event_id) < 0;
}

static void sift_down(struct fold_type *t)
{
        for (size_t i = 0, child; (child = 2 * i + 1) < t->n; i = child) {
                if (child + 1 < t->n && older(&t->errors[child + 1], &t->errors[child]))
                        child++;
                if (!older(&t->errors[child], &t->errors[i]))
                        return;
                struct fold_error swap = t->errors[i];
                t->errors[i] = t->errors[child];
                t->errors[child] = swap;
        }
}

static void sift_up(struct fold_type *t)
{
        for (size_t i = t->n - 1; i > 0 && older(&t->errors[i], &t->errors[(i - 1) / 2]);
             i = (i - 1) / 2) {
                struct fold_error swap = t->errors[i];
                t->errors[i] = t->errors[(i - 1) / 2];
                t->errors[(i - 1) / 2] = swap;
        }
}

static bool make_room(struct fold_type *t, size_t max, struct arena *memory)
{
        if (t->n < t->cap || t->n == max)
                return true;
        size_t cap = t->cap ? t->cap * 2 : 8;
        struct fold_error *bigger = arena_alloc(memory, cap * sizeof *bigger);
        if (!bigger)
                return false;
        if (t->n)
                memcpy(bigger, t->errors, t->n * sizeof *bigger);
        t->errors = bigger;
        t->cap = cap;
        return true;
}

bool fold_errors_keep(struct fold_type *t, size_t max, struct arena *memory,
                      const struct outcome_event *m)
{
        struct fold_error x = { .event_id = m->event_id,
                                .run_id = m->run_id,
                                .at = m->at,
                                .type = t->type,
                                .outcome = m->outcome };
        bool full = t->n == max;
        if (full && !older(&t->errors[0], &x))
                return true;
        if (!make_room(t, max, memory) ||
            !fold_copy(memory, utf8_cut(m->subject, FOLD_DETAIL_MAX), &x.subject) ||
            !fold_copy(memory, utf8_cut(m->item, FOLD_DETAIL_MAX), &x.item) ||
            !fold_copy(memory, utf8_cut(m->reason, FOLD_DETAIL_MAX), &x.reason))
                return false;
        if (full) {
                t->errors[0] = x;
                sift_down(t);
        } else {
                t->errors[t->n++] = x;
                sift_up(t);
        }
        return true;
}
