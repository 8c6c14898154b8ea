/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Finds where a batch ends that cannot be read. librdkafka reports repeatedly where such a batch
 * begins, and not where it ends; the broker returns the whole batch for any offset in it. So its
 * end is searched for by fetching from other offsets: one that fails in the same way lies inside.
 *
 * This is the search alone, without a client: the events are its input, the next step is its
 * result. It concludes nothing from a timeout (the end of a partition is reported as
 * PARTITION_EOF), so it is correct on the slowest machine.
 */
#include <stdbool.h>
#include <stdint.h>

enum { BATCH_END_TIMES = 3 };

enum batch_end_state {
        BATCH_END_NONE,
        BATCH_END_FAILING,   /* it failed less than BATCH_END_TIMES, or the end of the log is not
                                known */
        BATCH_END_SEARCHING, /* the result of a fetch from `probe` is needed */
        BATCH_END_FOUND,     /* `inside` is its last offset */
};

struct batch_end {
        enum batch_end_state state;
        int times;               /* how often it failed at `first` */
        int64_t first, from;     /* from: `first`, or where reading began inside the batch */
        int64_t inside, outside; /* offsets known to be on either side of its end */
        int64_t probe;
        bool resumed; /* `inside` and `outside` are of an earlier search, until it fails again */
        char why[200];
};

enum batch_end_answer {
        BATCH_END_PASS,    /* the message is of no concern to the search: return it */
        BATCH_END_DROP,    /* nothing is to be done; a message is discarded */
        BATCH_END_QUERY,   /* call batch_end_begin with the end of the log */
        BATCH_END_PROBE,   /* fetch from `probe` */
        BATCH_END_RESTART, /* the batch can be read, or the topic was re-created: fetch from `next`
                            */
};

/* `next`: the lowest offset that has not been returned. */
enum batch_end_answer batch_end_failed(struct batch_end *b, int64_t next, int64_t first,
                                       const char *why);
enum batch_end_answer batch_end_message(struct batch_end *b, int64_t next, int64_t offset);
/* There is nothing before `offset`, where the log ends at present. */
enum batch_end_answer batch_end_nothing(struct batch_end *b, int64_t next, int64_t offset);
/* The answer to BATCH_END_QUERY. */
enum batch_end_answer batch_end_begin(struct batch_end *b, int64_t next, int64_t log_end);
/* The start of a search that uses the result of an earlier one if the same batch fails in the same
 * way. */
struct batch_end batch_end_resume(const struct batch_end *earlier);
