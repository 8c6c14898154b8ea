#include "publish/in_flight.h"

#include <stdlib.h>

void in_flight_deinit(struct in_flight *f)
{
        free(f->partitions);
        *f = (struct in_flight){ 0 };
}

static uint64_t mean(const struct in_flight *f)
{
        return f->count ? (f->bytes + f->count - 1) / f->count : 0;
}

static struct in_flight_partition *partition_of(struct in_flight *f, int32_t partition)
{
        if (partition < 0)
                return NULL;
        if ((size_t)partition >= f->n) {
                size_t n = (size_t)partition + 1;
                struct in_flight_partition *list = reallocarray(f->partitions, n, sizeof *list);
                if (!list)
                        return NULL;
                for (size_t i = f->n; i < n; i++)
                        list[i] = (struct in_flight_partition){ 0, 0 };
                f->partitions = list;
                f->n = n;
        }
        return &f->partitions[partition];
}

void in_flight_sent(struct in_flight *f, size_t bytes)
{
        f->bytes += bytes;
        f->count++;
        f->unacked++;
}

static uint64_t waiting(const struct in_flight_partition *p)
{
        return p->end > p->next ? (uint64_t)(p->end - p->next) : 0;
}

void in_flight_acked(struct in_flight *f, int32_t partition, int64_t offset)
{
        struct in_flight_partition *p = partition_of(f, partition);
        f->unacked--;
        if (!p || offset < p->end)
                return;
        p->end = offset + 1;
        if (waiting(p) > f->fullest)
                f->fullest = waiting(p);
}

void in_flight_dropped(struct in_flight *f)
{
        f->unacked--;
}

void in_flight_consumed(struct in_flight *f, int32_t partition, int64_t next)
{
        struct in_flight_partition *p = partition_of(f, partition);
        if (!p || next <= p->next)
                return;
        p->next = next;
        f->consumed = true;
}

uint64_t in_flight_bytes(struct in_flight *f)
{
        if (f->consumed) {
                f->fullest = 0;
                for (size_t i = 0; i < f->n; i++)
                        if (waiting(&f->partitions[i]) > f->fullest)
                                f->fullest = waiting(&f->partitions[i]);
                f->consumed = false;
        }
        return (f->fullest + f->unacked) * mean(f);
}
