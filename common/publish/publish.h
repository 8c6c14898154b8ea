/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Publishes our messages: encodes them, adds CloudEvents headers, sends them through Kafka, and
 * reports acknowledgements. A publisher belongs to one thread.
 */
#include "model/messages.h"
#include "config/service.h"

/* Called for each message, from publisher_poll or publisher_flush. `e` NULL: acknowledged by all
 * in-sync replicas. */
typedef void (*publish_acked)(void *ctx, uint64_t token, const struct err *e);

struct publisher_options {
        const struct service *service;
        const char *source;     /* CloudEvents source: "/rollcall/scheduler" */
        const char *client_id;  /* lives as long as the publisher */
        size_t queue_max_bytes; /* memory for what is not yet acknowledged */
        publish_acked acked;    /* may be NULL */
        void *ctx;
        /* A topic that the caller itself consumes. It is never throttled, since only the caller
         * could make room. NULL: none. */
        const char *exempt_topic;
        /* Messages are few and urgent: none waits for others that could share its request. */
        bool no_linger;
};

struct publisher;
struct kafka_producer;

int publisher_new(const struct publisher_options *o, struct publisher **ret, struct err *e)
        MUST_CHECK;
void publisher_free(struct publisher *p); /* does not wait for acknowledgements: flush first */
DEFINE_CLEANUP(publisher_cleanup, struct publisher, publisher_free)

/* Not negative: what the functions below return. */
enum publish_result {
        PUBLISH_QUEUED,
        PUBLISH_WAIT /* the queue is full, or the topic is throttled: publisher_poll, then retry */
};

/* Each returns enum publish_result, or -1: error. */
int publish_task(struct publisher *p, const struct task *m, enum lane lane, uint64_t token,
                 struct err *e) MUST_CHECK;
int publish_outcome(struct publisher *p, const struct outcome_event *m, uint64_t token,
                    struct err *e) MUST_CHECK;
int publish_run(struct publisher *p, const struct run_event *m, uint64_t token, struct err *e)
        MUST_CHECK;
/* A dead letter as it is: see dead_letter.h. */
int publish_dead_letter_event(struct publisher *p, const struct dead_letter *m, uint64_t token,
                              struct err *e) MUST_CHECK;

/* Among how many partitions the tasks of a lane are distributed. 0: not known; Kafka is asked at
 * most once a second, for up to timeout_ms. */
int publisher_partitions(struct publisher *p, enum lane lane, int timeout_ms);

/* Serves acknowledgements, for up to timeout_ms while there are none. */
void publisher_poll(struct publisher *p, int timeout_ms);
/* Waits until everything is acknowledged. False: the time is over first. */
bool publisher_flush(struct publisher *p, int timeout_ms) MUST_CHECK;
size_t publisher_unacked(const struct publisher *p); /* messages */

/* The cluster id; ERR_RETRY while no broker answers. Lives as long as the publisher. */
int publisher_cluster(struct publisher *p, int timeout_ms, const char **ret, struct err *e)
        MUST_CHECK;
/* The embedded broker has restarted: nothing published is left, and the publisher must be replaced.
 * Always false with a real cluster. */
bool publisher_broker_restarted(const struct publisher *p);
struct kafka_producer *publisher_client(struct publisher *p); /* for queries to the brokers */
