#pragma once
/* The producer as the administration sees it. Inside the kafka room only. */
#include "kafka/client.h"

#include <stdatomic.h>

/* librdkafka's threads partition records that waited for the topic's metadata. */
struct spread {
        int wanted;       /* kafka_options.partitions */
        atomic_int used;  /* keys are spread over so many partitions; 0: not settled yet */
        atomic_int found; /* partitions that the topic has */
        int said;         /* of `found` */
};

struct producer_topic {
        char *name;
        rd_kafka_topic_t *rkt;
        struct spread *spread;
};

struct kafka_producer {
        rd_kafka_t *rk;
        kafka_delivered delivered;
        void *ctx;
        size_t in_flight;
        int partitions;
        int callbacks;                 /* run since the start of this poll */
        struct producer_topic *topics; /* a few; the latest used is tried first */
        size_t n_topics, latest;
        bool embedded;
        struct embedded_address address;
        char cluster[KAFKA_CLUSTER_ID_MAX];
};

/* The partitions of `topic`; 0 when there is no such topic. `all`: asks for the list of all topics,
 * which never creates one. */
int producer_partitions(struct kafka_producer *p, const char *topic, bool all, int timeout_ms,
                        struct err *e);
