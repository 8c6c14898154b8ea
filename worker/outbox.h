/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Publishes what a transaction has committed: outcomes, follow-up tasks, dead letters. When all
 * messages of a batch are acknowledged, and those of all batches before it, its partitions' `acked`
 * moves; the next transaction writes it.
 */
#include "batch.h"
#include "publish/publish.h"
#include "lane_partition.h"

enum { PENDING_MAX = 8 }; /* batches that wait for acknowledgements at once */

struct outbox {
        struct publisher *publisher; /* replaced by the owner after a fatal error */
        struct lane_partitions *partitions;
        const char *cluster; /* whose logs they are */
        const struct packs *packs;
        struct pending_batch {
                uint64_t id;
                size_t unacked;
                bool sealed; /* everything has been handed to the publisher */
                size_t n;
                struct last_of {
                        int64_t epoch, sequence; /* 0: the batch has nothing of this partition */
                } *last;                         /* by partition; malloc'ed */
        } pending[PENDING_MAX];
        size_t first, n;
        uint64_t next_id;
        /* a message was not accepted: what was committed must be published again from the ledger,
         * by another publisher */
        bool failed;
        /* Called while publishing has to wait; non-zero stops that (the process is to stop at
         * once).
         */
        int (*tick)(void *ctx);
        void *ctx;
};

/* To be called for each acknowledgement; the token is the pending batch's. */
void outbox_acked(struct outbox *o, uint64_t token, const struct err *e);

/* Publishes all entries that are DONE or DEAD as one pending batch. The batch may be reset
 * afterwards. */
int outbox_publish(struct outbox *o, const struct batch *b, struct err *e) MUST_CHECK;

/* Waits until every pending batch is acknowledged; -1: a message was not accepted, or tick says
 * stop. */
int outbox_flush(struct outbox *o, struct err *e) MUST_CHECK;

/* Forgets all pending batches: after a failure, before recovery. */
void outbox_reset(struct outbox *o);
