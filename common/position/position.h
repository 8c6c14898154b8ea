/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A position of a partition, as rollcall.position stores it, and whether the topic still has what
 * comes next. What was consumed last is known by the digest of its message
 * (kafka_message_digest): a topic that has another message there, or ends before it, was deleted
 * and re-created, or truncated.
 */
#include "db/db.h"
#include "kafka/kafka.h"

enum offset_check {
        OFFSET_VALID,
        OFFSET_BELOW_START, /* messages were deleted before they were consumed */
        OFFSET_PAST_END,    /* the topic was re-created, or truncated */
        OFFSET_REPLACED,    /* another message comes before the position: re-created */
};

struct position {
        const char *topic; /* the owner's */
        int32_t partition;
        int source_no;  /* the number of its row */
        int64_t epoch;  /* of the claim; a later claim by anybody has a larger one */
        int64_t next;   /* the next offset, as committed */
        int64_t digest; /* of the message before `next`; 0: none */
        /* the offset before `next`, while its message is still to be compared with `digest`; -1 */
        int64_t verify;
        bool stop_logged; /* that nothing is consumed before a repair */
};

/* What a check has found: `low` and `high` are the topic's first offset and the one after its last.
 */
struct position_gap {
        enum offset_check check;
        const char *topic;
        int32_t partition;
        int source_no;
        int64_t epoch, next, low, high;
};

/* By the offsets alone: never OFFSET_REPLACED. Pure. */
enum offset_check offset_check(int64_t next, int64_t low, int64_t high);

/* Asks the broker for the offsets and compares. Sets `verify`. -1: error. */
int position_check(struct position *x, struct kafka_consumer *k, int timeout_ms,
                   struct position_gap *ret, struct err *e) MUST_CHECK;
/* The offset to consume from after a valid check: that of the message to verify, if there is one.
 */
int64_t position_start(const struct position *x);
/* Compares the first message that came after a check; `verify` is -1 then. False: the topic was
 * replaced. */
bool position_verify(struct position *x, const struct kafka_message *m);

/* The result in a sentence. */
void position_gap_text(const struct position_gap *g, char *text, size_t size);

/* How a repair ended, below 0: an error. */
enum position_repair {
        POSITION_REPAIRED = 0,
        POSITION_TAKEN_OVER = 1, /* it was claimed meanwhile: nothing was done */
};
/* Moves the position to the topic's first offset, and requests what was lost. `by`: who does it. */
int position_repair(struct db *d, const struct position_gap *g, const char *by, struct err *e)
        MUST_CHECK;
/* The same as an operator's request, which is recorded. `on_behalf_of` may be NULL. */
int position_request_repair(struct db *d, const struct position_gap *g, const char *on_behalf_of,
                            struct err *e) MUST_CHECK;

/* What a consumer does with a gap, below 0: an error. */
enum position_gap_end {
        POSITION_STOPS = 1,       /* logged once: nothing is consumed before a repair */
        POSITION_CLAIM_AGAIN = 2, /* repaired, or claimed by another consumer: to be claimed */
};
/* `repair`: kafka.lost_log. */
int position_handle_gap(struct position *x, struct db *d, const struct position_gap *g, bool repair,
                        const char *by, struct err *e) MUST_CHECK;
/* Logs that a stopped partition is consumed again. */
void position_resumed(struct position *x);
