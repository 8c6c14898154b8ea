/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The producer as the administration sees it. Inside the kafka room only. */
#include "kafka/client.h"

#include <stdatomic.h>

/* Among how many partitions the keys of a topic are distributed. Atomic: records that had to wait
 * for the topic's metadata are partitioned by threads of librdkafka. */
struct topic_partitions {
        int wanted;       /* kafka_options.partitions */
        atomic_int used;  /* 0: not fixed yet */
        atomic_int found; /* partitions that the topic has */
        int logged;       /* the value of `found` that was logged */
};

/* Of a partition the first message that the broker has accepted from this producer. */
enum first { FIRST_MISSING, FIRST_SENT, FIRST_ACCEPTED };

struct producer_topic {
        char *name;
        rd_kafka_topic_t *rkt;
        struct topic_partitions *partitions;
        enum first *firsts; /* of each partition that is used */
        int n_firsts, firsts_left;
        bool unplaced; /* a message was sent before the partitions were known */
};

struct kafka_producer {
        rd_kafka_t *rk;
        kafka_delivered delivered;
        void *ctx;
        size_t unacked;
        size_t firsts_sent; /* FIRST_SENT, of all topics */
        bool polling;       /* a first that is accepted ends the call */
        int64_t idle_ms;    /* since when nothing is unacknowledged; 0: nothing was sent */
        int partitions;
        struct producer_topic *topics; /* a few; the latest used is compared first */
        size_t n_topics, latest;
        char *embedded; /* path, or NULL; owned */
        struct embedded_address address;
        char cluster[KAFKA_CLUSTER_ID_MAX];
};

/* The number of partitions of `topic`; 0: there is no such topic; -1: error. `all`: requests the
 * list of all topics, which never creates one. */
int producer_partitions(struct kafka_producer *p, const char *topic, bool all, int timeout_ms,
                        struct err *e);
