#pragma once
/*
 * How much of a topic nobody has consumed yet: an estimate that errs on the large side. Pure; the
 * publisher feeds it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct in_flight {
        const char *topic;
        uint64_t bytes, count; /* of all messages handed over: their mean size */
        uint64_t unacked;      /* messages not yet acknowledged: nobody knows their partition */
        struct in_flight_partition {
                int64_t end;  /* one past the last offset that is known to be there */
                int64_t next; /* what the consumer takes next */
        } *partitions;        /* malloc'ed */
        size_t n;
        /* messages that wait in the fullest partition; messages come by the million, so it is not
         * looked for each time */
        uint64_t fullest;
        bool consumed; /* since that was looked for */
};

void in_flight_deinit(struct in_flight *f);
void in_flight_sent(struct in_flight *f, size_t bytes);
void in_flight_acked(struct in_flight *f, int32_t partition, int64_t offset);
void in_flight_dropped(struct in_flight *f); /* not delivered: it is nowhere */
void in_flight_consumed(struct in_flight *f, int32_t partition, int64_t next);
/* Bytes that may wait in the fullest partition, were all that is unacknowledged to land there. */
uint64_t in_flight_bytes(struct in_flight *f);
