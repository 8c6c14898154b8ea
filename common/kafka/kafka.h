#pragma once
/*
 * The adapter around librdkafka: the only place that includes it. Handles are used by one thread
 * each, except where said. Errors carry librdkafka's own classification: retriable -> ERR_RETRY,
 * fatal or configuration -> ERR_FATAL, else ERR_RETRY.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/instant.h"
#include <stddef.h>
#include <stdint.h>

enum { KAFKA_CLUSTER_ID_MAX = 64, KAFKA_TOPIC_MAX = 249 };

struct kafka_property {
        const char *name, *value;
};

struct kafka_options {
        const char *brokers; /* host:port,… ; ignored when `embedded` is set */
        /* path of the file that the embedded broker writes (kafka/embedded.h); NULL: a real cluster
         */
        const char *embedded;
        const char *client_id;
        /* a producer spreads each topic's keys over so many, also when the topic has more; 0: over
         * all that it has */
        int partitions;
        /* a producer sends each record without waiting for others that could share its request */
        bool at_once;
        /* handed to librdkafka after our defaults; those that correctness needs are refused */
        const struct kafka_property *properties;
        size_t n_properties;
};

/* ---- consuming ---- */

struct kafka_partition {
        const char *topic; /* lives as long as the consumer */
        int32_t partition;
        int64_t offset; /* in `assigned`: to be filled with where to start */
};

struct kafka_consumer_events {
        void *ctx;
        /* New partitions of ours: set each one's offset to the next to read. Runs inside
         * kafka_poll, on its thread. When it returns -1 the partitions are not taken up; they are
         * offered again after a second. */
        int (*assigned)(void *ctx, struct kafka_partition *list, size_t n, struct err *e);
        /* Ours no longer. `lost`: already somebody else's (session expired). */
        void (*revoked)(void *ctx, const struct kafka_partition *list, size_t n, bool lost);
};

struct kafka_message {
        const char *topic; /* lives as long as the consumer */
        int32_t partition;
        int64_t offset;
        instant timestamp;      /* INSTANT_NONE when the message has none */
        struct span key, value; /* ptr NULL: null on the wire */
        /* Not NULL: a batch that cannot be read, and why. It has the offsets from `first` to
         * `offset`, and neither key nor value. */
        char *unreadable;
        int64_t first;
        void *handle; /* for kafka_release */
};

struct kafka_consumer;

/* How far the search for the end of batches that cannot be read has come. One that goes from a
 * consumer to the next makes the search end where none of them keeps its partitions for long. */
struct kafka_searches;
struct kafka_searches *kafka_searches_new(void); /* or NULL */
void kafka_searches_free(struct kafka_searches *list);

/* Joins `group` for `topics` (static strings or living as long as the consumer).
 * `prefetch_max_bytes` bounds what is prefetched. session_timeout_ms <= 0: the default.
 * poll_max_ms: the longest that the caller goes without a poll, at least half a minute and a
 * session; a coordinator that vanishes while it owes an answer to a join is given up after that. */
struct kafka_consumer_options {
        const char *group;
        const char *const *topics;
        size_t n_topics;
        int session_timeout_ms;
        int64_t poll_max_ms;
        size_t prefetch_max_bytes;
        struct kafka_consumer_events events;
        struct kafka_searches *searches; /* outlives the consumer; NULL: none */
};
int kafka_consumer_new(const struct kafka_options *o, const struct kafka_consumer_options *c,
                       struct kafka_consumer **ret, struct err *e) MUST_CHECK;
/* Leaves the group cleanly (calls `revoked`) and frees. Release all messages before. */
void kafka_consumer_free(struct kafka_consumer *c);
DEFINE_CLEANUP(kafka_consumer_cleanup, struct kafka_consumer, kafka_consumer_free)

/* Up to `max` messages, in offset order per partition; returns as soon as there is at least one, or
 * after timeout_ms. Rebalance events run from here, so it must be called at least every
 * poll_max_ms, also when nothing may be taken (max = 0). Messages of a partition that has been
 * taken away since it was fetched are not returned. A batch that cannot be read for some seconds is
 * returned as one message that says so. The messages stay valid until kafka_release. Returns the
 * number, or -1 (ERR_RETRY: brokers away, said once per change by the caller; ERR_FATAL). A
 * partition whose start is not on the broker is ERR_FATAL with the code OFFSET_OUT_OF_RANGE:
 * offsets never jump by themselves. */
int kafka_poll(struct kafka_consumer *c, int timeout_ms, struct kafka_message *list, size_t max,
               struct err *e) MUST_CHECK;
void kafka_release(struct kafka_message *list, size_t n);
/* The message's last header of that name; ptr NULL: it has none. Lives as long as the message. */
struct span kafka_message_header(const struct kafka_message *m, const char *name);

/* A digest of what was written at a place of a log, never 0: another message at the same offset has
 * another one. 0 for what cannot be read. */
int64_t kafka_message_mark(const struct kafka_message *m);

/* The next poll of that partition starts at `offset`; anything prefetched is dropped. */
int kafka_seek(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t offset,
               struct err *e) MUST_CHECK;
/* all partitions that are assigned */
int kafka_pause(struct kafka_consumer *c, bool pause, struct err *e) MUST_CHECK;
/* One of them, until it is given back or assigned anew; nothing when it is not ours. */
int kafka_pause_partition(struct kafka_consumer *c, const char *topic, int32_t partition,
                          bool pause, struct err *e) MUST_CHECK;
/* Tells the group where we are, for lag tools and autoscaling; asynchronous, never waited for. */
void kafka_commit_async(struct kafka_consumer *c, const struct kafka_partition *list, size_t n);
/* First and one-past-last offset on the broker. */
int kafka_watermarks(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t *low,
                     int64_t *high, int timeout_ms, struct err *e) MUST_CHECK;
/* how many it has, 0 without the topic; or -1 */
int kafka_topic_partitions(struct kafka_consumer *c, const char *topic, int timeout_ms,
                           struct err *e) MUST_CHECK;
/* cluster id, or NULL when no broker answered */
const char *kafka_consumer_cluster(struct kafka_consumer *c, int timeout_ms);
/* The embedded broker that this client knew has ended, and another one is there: make new clients.
 * kafka_poll says so too, unless the new one came too late. */
bool kafka_consumer_replaced(const struct kafka_consumer *c);

/* ---- producing ---- */

struct kafka_header {
        const char *name;
        struct span value;
};

struct kafka_record {
        const char *topic;
        struct span key, value; /* copied; the partition is kafka_partition_of the key */
        const struct kafka_header *headers;
        size_t n_headers;
        uint64_t token; /* handed to `delivered` */
};

/* Runs inside kafka_producer_poll / flush. `e` is NULL on success. `partition`, `offset`: where it
 * landed. */
typedef void (*kafka_delivered)(void *ctx, uint64_t token, const char *topic, int32_t partition,
                                int64_t offset, const struct err *e);

struct kafka_producer;

/* Which of `partitions` a key goes to: by murmur2, as Java's clients do. */
int32_t kafka_partition_of(struct span key, int32_t partitions);

/* Idempotent, acks=all. `max_bytes`: what may be queued in memory. How many partitions a topic's
 * keys are spread over is settled by its first record: partitions that are added to it later change
 * nothing for this producer, so that a key's records stay in order; it is logged. */
int kafka_producer_new(const struct kafka_options *o, size_t max_bytes, kafka_delivered delivered,
                       void *ctx, struct kafka_producer **ret, struct err *e) MUST_CHECK;
void kafka_producer_free(struct kafka_producer *p); /* does not wait: flush first */
DEFINE_CLEANUP(kafka_producer_cleanup, struct kafka_producer, kafka_producer_free)

/* 0 queued; 1 the queue is full: call kafka_producer_poll and try again; -1 error. */
int kafka_produce(struct kafka_producer *p, const struct kafka_record *r, struct err *e) MUST_CHECK;
int kafka_producer_poll(struct kafka_producer *p, int timeout_ms); /* number of callbacks run */
/* Waits for all acknowledgements. 0, or 1 when the time is over first. */
int kafka_flush(struct kafka_producer *p, int timeout_ms) MUST_CHECK;
size_t kafka_in_flight(struct kafka_producer *p); /* records not yet acknowledged */
/* or -1 */
int kafka_partition_count(struct kafka_producer *p, const char *topic, int timeout_ms,
                          struct err *e) MUST_CHECK;
/* First and one-past-last offsets on the broker, of the topic's partitions 0 to n - 1. */
int kafka_topic_watermarks(struct kafka_producer *p, const char *topic, int n, int64_t *low,
                           int64_t *high, int timeout_ms, struct err *e) MUST_CHECK;
const char *kafka_producer_cluster(struct kafka_producer *p, int timeout_ms);

/* Are the logs that a consumer reads still those that reading began with? A topic that is made anew
 * and soon filled beyond where we read is read on in its middle, which no fetch tells. Known from
 * the times of messages: writers' clocks must agree better than a topic is made anew. Asked by a
 * producer, since a consumer's questions wait behind its fetches. Returns how many are others by
 * now, the first `max` of them into `list`, each told once: what is between is to be found by
 * comparing with what was read last; or -1, ERR_RETRY: within timeout_ms nobody could say. The
 * embedded broker cannot lose a topic: 0. */
int kafka_compare_logs(struct kafka_consumer *c, struct kafka_producer *asking, int timeout_ms,
                       struct kafka_partition *list, size_t max, struct err *e) MUST_CHECK;
/* Messages of some log have been given out, and nothing is known yet to compare it by: ask now, not
 * later. */
bool kafka_compare_first(const struct kafka_consumer *c);

/* ---- administration ---- */

struct kafka_topic_spec {
        const char *name;
        int partitions, replication;
        const struct kafka_property *config; /* retention.ms … */
        size_t n_config;
};
/* LARGER: has more partitions than asked; left alone */
enum topic_change { TOPIC_SAME, TOPIC_CREATED, TOPIC_GROWN, TOPIC_LARGER };
int kafka_topic_apply(struct kafka_producer *p, const struct kafka_topic_spec *t, bool dry_run,
                      enum topic_change *ret, struct err *e) MUST_CHECK;
