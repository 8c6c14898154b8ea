/* SPDX-License-Identifier: Apache-2.0 */
/* The search for the end of a batch that cannot be read; see batch_end.h. */
#include "kafka/batch_end.h"

#include <stdio.h>
#include <string.h>

static int64_t larger(int64_t a, int64_t b)
{
        return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

/* In steps that double, then by halves: a batch is short compared with what may follow it. */
static enum batch_end_answer narrow_search(struct batch_end *b)
{
        b->state = BATCH_END_SEARCHING;
        if (b->outside - b->inside <= 1) {
                b->state = BATCH_END_FOUND;
                return BATCH_END_DROP;
        }
        b->probe = b->inside + smaller(b->inside - b->from + 1, (b->outside - b->inside) / 2);
        return BATCH_END_PROBE;
}

static enum batch_end_answer restart_search(struct batch_end *b)
{
        *b = (struct batch_end){ 0 };
        return BATCH_END_RESTART;
}

static bool is_same_failure(const struct batch_end *b, int64_t first, const char *why)
{
        return b->state != BATCH_END_NONE && b->first == first &&
               (!b->resumed || strncmp(b->why, why, sizeof b->why - 1) == 0);
}

static enum batch_end_answer count_failure(struct batch_end *b, int64_t next, int64_t first,
                                           const char *why)
{
        bool later = b->state == BATCH_END_FAILING && !b->resumed && first > b->first;
        if (later && first > next) {
                /* The client skipped the batch by itself, which must not be lost. */
                b->outside = smaller(b->outside, first);
                return BATCH_END_QUERY;
        }
        if (!is_same_failure(b, first, why)) {
                *b = (struct batch_end){ .state = BATCH_END_FAILING,
                                         .first = first,
                                         .outside = INT64_MAX };
                snprintf(b->why, sizeof b->why, "%s", why);
        }
        if (++b->times < BATCH_END_TIMES)
                return BATCH_END_DROP;
        if (b->resumed && b->from == larger(first, next)) {
                b->resumed = false;
                return narrow_search(b);
        }
        return BATCH_END_QUERY;
}

enum batch_end_answer batch_end_failed(struct batch_end *b, int64_t next, int64_t first,
                                       const char *why)
{
        if (b->state == BATCH_END_FOUND)
                return BATCH_END_DROP;
        if (b->state != BATCH_END_SEARCHING)
                return count_failure(b, next, first, why);
        if (first < b->first || (first > b->first && first <= b->inside))
                return restart_search(b);
        if (first == b->first)
                b->inside = b->probe;
        else
                b->outside = smaller(b->outside, smaller(b->probe, first));
        return narrow_search(b);
}

enum batch_end_answer batch_end_message(struct batch_end *b, int64_t next, int64_t offset)
{
        int64_t from = larger(b->first, next);
        switch (b->state) {
        case BATCH_END_FOUND:
                return BATCH_END_DROP;
        case BATCH_END_SEARCHING:
                if (offset < b->from)
                        return BATCH_END_PASS;
                if (offset <= b->inside)
                        return restart_search(b);
                b->outside = smaller(b->outside, offset >= b->probe ? b->probe : offset);
                return narrow_search(b);
        case BATCH_END_FAILING:
                if (!b->resumed && offset > from) { /* as in count_failure */
                        b->outside = smaller(b->outside, offset);
                        return BATCH_END_QUERY;
                }
                if (offset >= from)
                        *b = (struct batch_end){ 0 };
                return BATCH_END_PASS;
        default:
                return BATCH_END_PASS;
        }
}

enum batch_end_answer batch_end_nothing(struct batch_end *b, int64_t next, int64_t offset)
{
        if (b->state == BATCH_END_FAILING && !b->resumed && offset > larger(b->first, next)) {
                b->outside = smaller(b->outside, offset);
                return BATCH_END_QUERY;
        }
        if (b->state != BATCH_END_SEARCHING || offset < b->probe)
                return BATCH_END_DROP;
        b->outside = smaller(b->outside, b->probe);
        return narrow_search(b);
}

enum batch_end_answer batch_end_begin(struct batch_end *b, int64_t next, int64_t log_end)
{
        if (b->state != BATCH_END_FAILING)
                return BATCH_END_DROP;
        b->resumed = false;
        b->from = b->inside = larger(b->first, next);
        b->outside = larger(smaller(b->outside, log_end), b->from + 1);
        return narrow_search(b);
}

struct batch_end batch_end_resume(const struct batch_end *earlier)
{
        struct batch_end b = *earlier;
        if (b.state == BATCH_END_NONE || (b.state == BATCH_END_FAILING && !b.resumed))
                return (struct batch_end){ 0 };
        b.state = BATCH_END_FAILING;
        b.times = BATCH_END_TIMES - 1;
        b.resumed = true;
        return b;
}
