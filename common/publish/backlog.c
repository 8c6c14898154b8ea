/* SPDX-License-Identifier: Apache-2.0 */
/* Counts messages by partition, and estimates their bytes by the mean size. */
#include "publish/backlog.h"

#include <stdlib.h>

void backlog_deinit(struct backlog *b)
{
        free(b->partitions);
        *b = (struct backlog){ 0 };
}

static uint64_t mean_bytes(const struct backlog *b)
{
        return b->count ? (b->bytes + b->count - 1) / b->count : 0;
}

static struct backlog_partition *partition_of(struct backlog *b, int32_t partition)
{
        if (partition < 0)
                return NULL;
        if ((size_t)partition >= b->n) {
                size_t n = (size_t)partition + 1;
                struct backlog_partition *list = reallocarray(b->partitions, n, sizeof *list);
                if (!list)
                        return NULL;
                for (size_t i = b->n; i < n; i++)
                        list[i] = (struct backlog_partition){ 0, 0 };
                b->partitions = list;
                b->n = n;
        }
        return &b->partitions[partition];
}

void backlog_sent(struct backlog *b, size_t bytes)
{
        b->bytes += bytes;
        b->count++;
        b->unacked++;
}

static uint64_t unconsumed(const struct backlog_partition *p)
{
        return p->end > p->next ? (uint64_t)(p->end - p->next) : 0;
}

void backlog_acked(struct backlog *b, int32_t partition, int64_t offset)
{
        struct backlog_partition *p = partition_of(b, partition);
        b->unacked--;
        if (!p || offset < p->end)
                return;
        p->end = offset + 1;
        if (unconsumed(p) > b->fullest)
                b->fullest = unconsumed(p);
}

void backlog_failed(struct backlog *b)
{
        b->unacked--;
}

void backlog_consumed(struct backlog *b, int32_t partition, int64_t next)
{
        struct backlog_partition *p = partition_of(b, partition);
        if (!p || next <= p->next)
                return;
        p->next = next;
        b->consumed = true;
}

uint64_t backlog_bytes(struct backlog *b)
{
        if (b->consumed) {
                b->fullest = 0;
                for (size_t i = 0; i < b->n; i++)
                        if (unconsumed(&b->partitions[i]) > b->fullest)
                                b->fullest = unconsumed(&b->partitions[i]);
                b->consumed = false;
        }
        return (b->fullest + b->unacked) * mean_bytes(b);
}
