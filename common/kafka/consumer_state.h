/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The consumer's own state, shared by consumer.c, poll.c and assignment.c (which partitions are
 * assigned). Inside the kafka room only.
 *
 * The group protocol is the eager one: a rebalance revokes all partitions, then assigns a new set.
 * librdkafka's callback only stores the new assignment; it is applied after the callback, when the
 * batch can have no message of the old assignment. So a message whose partition is in `slots`
 * belongs to the present assignment.
 */
#include "kafka/batch_end.h"
#include "kafka/client.h"

struct slot {
        const char *topic;
        int32_t partition;
        int64_t next; /* offset; lower ones are discarded */
        /* ms: the latest time of the messages returned; -1: none yet, or they have none */
        int64_t newest;
        /* What the topic answers for a time: the same for as long as it is not re-created. See
         * log_probe.c. */
        struct log_probe {
                int64_t ms;     /* that time; -1: no probe */
                int64_t offset; /* of the first message of that time or later; -1: there was none,
                                 */
                int64_t after;  /* and one that comes later has a higher offset than this */
        } log_probe;
        bool pause_requested; /* by kafka_pause_partition */
        struct unreadable {
                struct batch_end end;
                int64_t seek; /* the offset of the last seek for the search */
                /* The seek was not accepted: it is retried, and messages that come before that
                 * are of another offset. */
                bool seek_due;
                bool log_end_due; /* the query for the end of the log failed: it is retried */
                /* The poll in which the seek was requested: its other messages are older. */
                uint64_t polled;
                int64_t until_ms; /* when to retry if nothing comes */
        } unreadable;
        /* as librdkafka knows it: version 2.0.2 drops messages if a partition is resumed that was
         * not paused */
        bool paused;
};

struct kafka_consumer {
        rd_kafka_t *rk;
        rd_kafka_queue_t *queue;
        struct kafka_consumer_events events;
        struct kafka_searches *searches; /* NULL: a search that is interrupted is restarted */
        char **topics;
        size_t n_topics;
        struct slot *slots;     /* the partitions that are assigned */
        size_t n_slots, latest; /* `latest`: of the message before, compared first */
        const rd_kafka_topic_t *latest_rkt;
        /* by the group, not applied yet; NULL: none */
        rd_kafka_topic_partition_list_t *pending_assignment;
        bool answered;    /* with an empty assignment, so that the group need not wait for us */
        int64_t apply_at; /* ms, monotonic: when to apply the pending assignment */
        size_t prefetch_count; /* librdkafka stops fetching when so many messages are queued */
        size_t prefetch_bytes;
        uint64_t polled;           /* number of polls */
        size_t taken, taken_bytes; /* since the fetchers were woken */
        rd_kafka_message_t **batch;
        size_t batch_cap;
        struct err pending; /* found between messages; the next poll without messages returns it */
        char detail[256];   /* librdkafka's last error of a broker connection, for _ALL_BROKERS_DOWN
                             */
        bool idle;          /* all are paused, because the caller takes nothing */
        int64_t idle_since; /* ms, monotonic; 0: the last poll took messages */
        bool closing;
        char *embedded;          /* path, or NULL */
        int64_t check_broker_at; /* ms, monotonic: when to check whether the embedded broker
                                    restarted */
        int64_t probe_at;        /* ms, monotonic: when to renew the log probes */
        /* how often in a row the probes failed while the brokers answered */
        int probes_failed;
        struct embedded_address address;
        char cluster[KAFKA_CLUSTER_ID_MAX];
};
