/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How much of a topic nobody has consumed yet: an estimate that is never too low. No I/O;
 * throttle.c feeds it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlog {
        const char *topic;
        uint64_t bytes, count; /* of all messages sent: their mean size */
        uint64_t unacked;      /* messages not yet acknowledged: their partition is not known */
        struct backlog_partition {
                int64_t end;  /* one past the last offset that was acknowledged */
                int64_t next; /* the next offset that its consumer takes */
        } *partitions;        /* owned */
        size_t n;
        /* messages not consumed of the fullest partition; kept, since messages come by the million
         */
        uint64_t fullest;
        bool consumed; /* since `fullest` was calculated */
};

void backlog_deinit(struct backlog *b);
void backlog_sent(struct backlog *b, size_t bytes);
void backlog_acked(struct backlog *b, int32_t partition, int64_t offset);
void backlog_failed(struct backlog *b); /* a message was not acknowledged */
void backlog_consumed(struct backlog *b, int32_t partition, int64_t next);
/* Bytes not consumed of the fullest partition, if all that is unacknowledged were to go there. */
uint64_t backlog_bytes(struct backlog *b);
