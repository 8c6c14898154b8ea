/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A partition of the results topic that the group has assigned to us: its position in
 * rollcall.position, and whether the topic still has the message at that position.
 */
#include "position/position.h"

enum partition_state {
        PARTITION_UNCLAIMED, /* its position must be read first, also after a batch that failed */
        PARTITION_READY,
        PARTITION_BACKFILL, /* the topic lost messages: the ledger's outcomes are aggregated first
                             */
        PARTITION_STOPPED,  /* the stored offset is not in the topic: nothing is consumed before a
                               repair */
};

struct partition {
        struct position at; /* as committed; its topic lives as long as the consumer */
        enum partition_state state;
        int64_t next, next_digest; /* of the position, with this batch */
        int64_t start;             /* offset to consume from after a claim */
        int64_t seen_ms; /* monotonic: when a message came, or the broker answered for it */

        /* what the aggregator adds to it */
        const struct kafka_message *last; /* in this batch, until `next_digest` is made of it */
        bool backfill_due; /* the ledger has outcomes to aggregate before the next message */
        bool touched;      /* this batch has something of it although `next` does not move */
        /* The number of its dead letters, as committed, and with this batch. */
        int64_t dead_letters_stored, dead_letters;
        int64_t dead_letters_published; /* how many of them are in their topic, as committed */
        int64_t dead_letters_logged;    /* how many of them are in the log */
        int64_t dead_letters_offset;    /* offset of the last one published; -1: not known */
};

/* What the functions below work with. */
struct partition_context {
        struct db *db;
        struct kafka_consumer *consumer;
        const char *cluster, *owner;
        bool repair; /* kafka.lost_log: repair a position automatically */
};

/* Makes every unclaimed partition of the list ours: its epoch rises, so that the batch of an
 * earlier owner no longer commits. Reads the positions. The partitions stay unclaimed: check each
 * of them next. -1: error. */
int partitions_claim(const struct partition_context *c, struct partition *list, size_t n,
                     struct err *e) MUST_CHECK;

/* Compares a claimed position with the first and last offset on the broker. The partition is then
 * ready, to be backfilled, or stopped; or unclaimed, if its position was repaired. -1: error. */
int partition_check(const struct partition_context *c, struct partition *x, struct err *e)
        MUST_CHECK;

/* Compares the message before the position with the one that was consumed there. Another message
 * means that the topic was re-created: the partition is then stopped, or unclaimed again. Call it
 * for each message while partition_is_unverified. -1: error. */
int partition_verify(const struct partition_context *c, struct partition *x,
                     const struct kafka_message *m, struct err *e) MUST_CHECK;
bool partition_is_unverified(const struct partition *x);

/* Makes a ready partition unclaimed if its position is no longer in the topic. -1: error. */
int partition_recheck(const struct partition_context *c, struct partition *x, struct err *e)
        MUST_CHECK;

/* Undoes what this batch has moved. The partition is then unclaimed. */
void partition_reset(struct partition *x);

/* The partition of a message, or NULL. `latest`: where the search begins, and what it found. */
struct partition *partitions_find(struct partition *list, size_t n, const struct kafka_message *m,
                                  size_t *latest);
/* For struct db_rowset.wanted. */
bool partition_is_unclaimed(const void *partition, void *ctx);
size_t partitions_count(const struct partition *list, size_t n, enum partition_state state);
