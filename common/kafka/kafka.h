/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The adapter around librdkafka: the only place that includes it. Each handle is used by one
 * thread. Errors have librdkafka's name as code and its classification: fatal or configuration ->
 * ERR_FATAL, a message that no broker accepts -> ERR_INPUT, else ERR_RETRY.
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
        /* a producer distributes the keys of each topic among so many partitions, also if the topic
         * has more; 0: among all that it has */
        int partitions;
        /* a producer sends each record without waiting for others that could share its request */
        bool no_linger;
        /* for librdkafka, after our defaults; those that correctness depends on are refused */
        const struct kafka_property *properties;
        size_t n_properties;
};

/* ---- consuming ---- */

struct kafka_partition {
        const char *topic; /* lives as long as the consumer */
        int32_t partition;
        int64_t offset; /* in `assigned`: to be set to where to start */
};

struct kafka_consumer_events {
        void *ctx;
        /* The group has assigned these partitions to us: set the offset of each to the next one to
         * consume. Runs inside kafka_poll, on its thread. After -1 it is called once more in a
         * second. */
        int (*assigned)(void *ctx, struct kafka_partition *list, size_t n, struct err *e);
        /* The group has revoked these partitions. `lost`: another member may own them already,
         * since the session has expired. */
        void (*revoked)(void *ctx, const struct kafka_partition *list, size_t n, bool lost);
};

struct kafka_message {
        const char *topic; /* lives as long as the consumer */
        int32_t partition;
        int64_t offset;
        instant timestamp;      /* INSTANT_NONE: the message has none */
        struct span key, value; /* ptr NULL: null on the wire */
        /* Not NULL: the reason why a batch cannot be read. It has the offsets from `first` to
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
 * poll_max_ms: the longest time between two polls, at least half a minute and a session; so long
 * it also waits for the answer to a join from a coordinator that does not respond. */
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

/* Up to `max` messages, in offset order by partition; returns as soon as there is at least one, or
 * after timeout_ms. Rebalance events run from here, so it must be called at least every
 * poll_max_ms, also when nothing may be taken (max = 0). Messages of a partition that has been
 * revoked since they were fetched are not returned. A batch that cannot be read for some seconds is
 * returned as one message with the reason. The messages are valid until kafka_release. Returns the
 * number, or -1 (ERR_RETRY: brokers are unavailable, which the caller logs once; ERR_FATAL). A
 * partition whose start is not on the broker is ERR_FATAL with the code OFFSET_OUT_OF_RANGE:
 * offsets are never reset automatically. */
int kafka_poll(struct kafka_consumer *c, int timeout_ms, struct kafka_message *list, size_t max,
               struct err *e) MUST_CHECK;
void kafka_release(struct kafka_message *list, size_t n);
/* The message's last header of that name; ptr NULL: it has none. Lives as long as the message. */
struct span kafka_message_header(const struct kafka_message *m, const char *name);

/* A digest of timestamp, key and value, never 0: another message at the same offset has another
 * one. 0: the message cannot be read. */
int64_t kafka_message_digest(const struct kafka_message *m);

/* The next poll of that partition starts at `offset`; what was prefetched is discarded. */
int kafka_seek(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t offset,
               struct err *e) MUST_CHECK;
/* Pauses or resumes a partition; a pause ends when it is revoked. No effect if it is not assigned.
 */
int kafka_pause_partition(struct kafka_consumer *c, const char *topic, int32_t partition,
                          bool pause, struct err *e) MUST_CHECK;
/* Commits offsets to the group, for lag tools and autoscaling only; asynchronous, nobody waits for
 * it. */
void kafka_commit_async(struct kafka_consumer *c, const struct kafka_partition *list, size_t n);
/* First and one-past-last offset on the broker. */
int kafka_watermarks(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t *low,
                     int64_t *high, int timeout_ms, struct err *e) MUST_CHECK;
/* The number of partitions; 0: there is no such topic; -1: error. */
int kafka_topic_partitions(struct kafka_consumer *c, const char *topic, int timeout_ms,
                           struct err *e) MUST_CHECK;
/* The cluster id, or NULL: no broker has answered. */
const char *kafka_consumer_cluster(struct kafka_consumer *c, int timeout_ms);
/* The embedded broker has restarted, so all clients must be replaced. kafka_poll reports that as
 * ERR_FATAL, unless it was noticed too early. Always false with a real cluster. */
bool kafka_consumer_broker_restarted(const struct kafka_consumer *c);

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

/* Runs inside kafka_producer_poll and kafka_flush. `e` NULL: acknowledged, at `partition` and
 * `offset`. */
typedef void (*kafka_delivered)(void *ctx, uint64_t token, const char *topic, int32_t partition,
                                int64_t offset, const struct err *e);

struct kafka_producer;

/* Which of `partitions` a key goes to: by murmur2, as Java's clients do. */
int32_t kafka_partition_of(struct span key, int32_t partitions);

/* Idempotent, acks=all. `max_bytes`: what may be queued in memory. The number of partitions among
 * which the keys of a topic are distributed is fixed by its first record: partitions that are added
 * later are logged and not used by this producer, so that the records of a key stay in order. */
int kafka_producer_new(const struct kafka_options *o, size_t max_bytes, kafka_delivered delivered,
                       void *ctx, struct kafka_producer **ret, struct err *e) MUST_CHECK;
void kafka_producer_free(struct kafka_producer *p); /* does not wait: flush first */
DEFINE_CLEANUP(kafka_producer_cleanup, struct kafka_producer, kafka_producer_free)

/* Not negative: see kafka_produce. */
enum kafka_produce_result { KAFKA_QUEUED, KAFKA_WAIT /* poll, then retry */ };

/* Not negative: enum kafka_produce_result. -1: error. */
int kafka_produce(struct kafka_producer *p, const struct kafka_record *r, struct err *e) MUST_CHECK;
/* Serves acknowledgements, for up to timeout_ms while there are none. */
void kafka_producer_poll(struct kafka_producer *p, int timeout_ms);
/* Waits for all acknowledgements. False: the time is over first. */
bool kafka_flush(struct kafka_producer *p, int timeout_ms) MUST_CHECK;
size_t kafka_unacked(const struct kafka_producer *p); /* records not yet acknowledged */
/* The number of partitions. -1: error, also if there is no such topic within timeout_ms. */
int kafka_partition_count(struct kafka_producer *p, const char *topic, int timeout_ms,
                          struct err *e) MUST_CHECK;
/* Among how many partitions this producer distributes the keys of a topic, which this call fixes
 * like a first record. 0: not known, nor found out within timeout_ms. */
int kafka_partitions_used(struct kafka_producer *p, const char *topic, int timeout_ms);
/* First and one-past-last offsets on the broker, of the topic's partitions 0 to n - 1. */
int kafka_topic_watermarks(struct kafka_producer *p, const char *topic, int n, int64_t *low,
                           int64_t *high, int timeout_ms, struct err *e) MUST_CHECK;
const char *kafka_producer_cluster(struct kafka_producer *p, int timeout_ms);
bool kafka_producer_broker_restarted(const struct kafka_producer *p);

/* Finds the partitions whose topic was re-created since the consumer began. A topic that is
 * re-created and soon filled beyond the consumer's offset is consumed from its middle on, and no
 * fetch reports that. It is found by the times of messages: the clocks of the writers must differ
 * less than the time it takes to re-create a topic. The query goes through a producer, since a
 * consumer's requests wait for its fetches. Returns the number of such partitions, the first `max`
 * of them in `list`, each reported once: compare the message consumed last to find out what was
 * lost. -1: ERR_RETRY, not known within timeout_ms. Always 0 with the embedded broker, which keeps
 * its topics. */
int kafka_find_recreated(struct kafka_consumer *c, struct kafka_producer *asking, int timeout_ms,
                         struct kafka_partition *list, size_t max, struct err *e) MUST_CHECK;
/* Messages of some partition were returned, and nothing is known yet by which kafka_find_recreated
 * could recognise its topic: call it now rather than later. */
bool kafka_probe_missing(const struct kafka_consumer *c);

/* ---- administration ---- */

struct kafka_topic_spec {
        const char *name;
        int partitions, replication;
        const struct kafka_property *config; /* retention.ms … */
        size_t n_config;
};
/* LARGER: it has more partitions than requested, which is not changed */
enum topic_change { TOPIC_SAME, TOPIC_CREATED, TOPIC_GROWN, TOPIC_LARGER };
int kafka_topic_apply(struct kafka_producer *p, const struct kafka_topic_spec *t, bool dry_run,
                      enum topic_change *ret, struct err *e) MUST_CHECK;
