#pragma once
/*
 * Finds where a batch ends that cannot be read. librdkafka reports where such a batch begins, again
 * and again, and not where it ends; the broker gives the whole batch for any offset in it. So its
 * end is searched for by fetching from other offsets: one that fails in the same way lies inside.
 *
 * This is the search alone, without a client: what came goes in, what is to be done comes out. It
 * concludes nothing from what does not come (a partition that has nothing more says so, as
 * PARTITION_EOF), so it ends as it should on the slowest machine.
 */
#include <stdbool.h>
#include <stdint.h>

enum { BATCH_END_TIMES = 3 };

enum batch_end_state {
        BATCH_END_NONE,
        BATCH_END_FAILING, /* it failed less than BATCH_END_TIMES, or the log's end is not known */
        BATCH_END_SEARCHING, /* what comes from `probe` tells more */
        BATCH_END_FOUND,     /* `inside` is its last offset */
};

struct batch_end {
        enum batch_end_state state;
        int times;               /* that it failed at `first` */
        int64_t first, from;     /* from: `first`, or where reading began inside the batch */
        int64_t inside, outside; /* offsets known to be on either side of its end */
        int64_t probe;
        bool resumed; /* `inside` and `outside` are of an earlier search, until it fails again */
        char why[200];
};

enum batch_end_answer {
        BATCH_END_PASS,  /* a message is not concerned: it is to be given out */
        BATCH_END_DROP,  /* nothing is to be done */
        BATCH_END_ASK,   /* batch_end_begin is to be told where the log ends */
        BATCH_END_PROBE, /* fetch from `probe` */
        BATCH_END_AGAIN, /* it can be read after all, or the log is another: fetch from `next` */
};

/* `next`: the lowest offset that has not been given out. */
enum batch_end_answer batch_end_failed(struct batch_end *b, int64_t next, int64_t first,
                                       const char *why);
enum batch_end_answer batch_end_message(struct batch_end *b, int64_t next, int64_t offset);
/* Nothing more lies before `offset`, where the log ends for now. */
enum batch_end_answer batch_end_nothing(struct batch_end *b, int64_t next, int64_t offset);
/* The answer to BATCH_END_ASK. */
enum batch_end_answer batch_end_begin(struct batch_end *b, int64_t next, int64_t log_end);
/* What an earlier search found is taken up when the same batch fails in the same way. */
struct batch_end batch_end_resume(const struct batch_end *earlier);
