/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The transactions of a batch: how each begins and ends, and what they share. Each begins with a
 * compare-and-set of the positions and commits completely or not at all. Errors (-1) leave the
 * connection unusable: the caller opens another; whether a commit took place is for the positions
 * to tell.
 */
#include "batch.h"
#include "notices.h"
#include "pauses.h"
#include "lane_partition.h"

struct transactor {
        struct db *db; /* replaced by the owner when the connection is */
        struct composer *composer;
        struct lane_partitions *partitions;
        struct db_params *params;
        struct retry_policy retry;
        /* of what the other side defers (4xx): greylisting lasts longer than a fault of ours */
        struct retry_policy deferred;
        /* how many more batches check for earlier outcomes before they run a statement: repeated
         * messages seldom come alone */
        int check_duplicates_for;
        /* transactions in a row that ended because a pack's statement conflicted with another
         * transaction (SQLSTATE 40) */
        int conflicts;
        instant at;        /* of the latest transaction: the outcomes' instant */
        const char *owner; /* for rollcall.paused_type */
        int64_t pause_base_ms, pause_max_ms;
        struct pauses pauses;
        struct notices notices;
        struct {             /* of the group whose statement is being bisected */
                bool probed; /* it is known not to fail without any task */
                bool mixed;  /* tasks failed in different ways */
                size_t done, failed;
                char code[SQLSTATE_MAX]; /* the way */
        } part;
        /* how long this transaction waits for the row locks of others after the first that took
         * its time; and until when: 0, it did not come to that yet */
        int64_t locks_ms, lock_until_ms;
        /* What else a decision writes, in its transaction; NULL: nothing. */
        int (*also)(void *ctx, struct batch *b, struct err *e);
        void *also_ctx;
};

/* How a transaction ended, below 0: an error. */
enum transaction_end {
        TRANSACTION_COMMITTED = 0,
        /* another owner has moved a position; rolled back */
        TRANSACTION_FENCED = 1,
        /* the batch's results are too large for it; rolled back, to be done with fewer entries */
        TRANSACTION_TOO_LARGE = 2,
        /* the ledger keeps a run of the batch by task now; rolled back */
        TRANSACTION_BY_TASK = 3,
};

/* The worker's own statements, prepared once per connection. */
int transaction_prepare(struct transactor *t, struct err *e) MUST_CHECK;

/* In a pipeline: "begin", and the compare-and-set of all positions that have something to write;
 * then their answers. */
int transaction_queue_begin(struct transactor *t, size_t *ret_rows, struct err *e) MUST_CHECK;
int transaction_collect_begin(struct transactor *t, size_t rows, bool *ret_fenced, struct err *e)
        MUST_CHECK;
/* Both at once, in a pipeline of their own. */
int transaction_begin(struct transactor *t, bool *ret_fenced, struct err *e) MUST_CHECK;

/* Adds what is DONE to the progress, files follow-ups, commits, and notes the positions as moved.
 * 0, or -1. */
int transaction_commit(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* In the same pipeline: the runs of entries that were compared with their plans are locked, so that
 * the ledger continues to keep them batch by batch; `ret_locked`: there are any, and an answer is
 * to be collected. */
int transaction_queue_runs(struct transactor *t, const struct batch *b, bool *ret_locked,
                           struct err *e) MUST_CHECK;
/* `ret_run_no`: the first one that is kept by task; 0: none. */
int transaction_collect_runs(struct transactor *t, int64_t *ret_run_no, struct err *e) MUST_CHECK;
/* Rolls back a transaction that is fenced: TRANSACTION_FENCED, or -1. */
int transaction_roll_back_fenced(struct transactor *t, struct err *e) MUST_CHECK;
/* After the error `e` in a transaction: TRANSACTION_TOO_LARGE, rolled back, if the results were too
 * large; else -1. */
int transaction_roll_back_failed(struct transactor *t, struct err *e) MUST_CHECK;

/* Only writes acknowledgements, when there are any: 0, TRANSACTION_FENCED, -1. */
int transaction_checkpoint(struct transactor *t, struct err *e) MUST_CHECK;
