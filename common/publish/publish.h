#pragma once
/*
 * Publishing our messages: encodes, adds CloudEvents headers, hands to Kafka, counts
 * acknowledgements. With an in-flight limit (the embedded broker keeps 5 MiB per partition and then
 * drops silently) it holds back while what nobody has consumed yet, according to rollcall.position,
 * comes near the limit. Belongs to one thread.
 */
#include "codec/messages.h"
#include "config/service.h"
#include "db/db.h"

/* One per message, from publisher_poll or publisher_flush. `e` NULL: acknowledged by all in-sync
 * replicas. */
typedef void (*publish_acked)(void *ctx, uint64_t token, const struct err *e);

struct publisher_options {
        const struct service *service;
        const char *source; /* CloudEvents source: "/rollcall/scheduler" */
        const char *client_id;
        size_t queue_max_bytes; /* memory for what is not yet acknowledged */
        publish_acked acked;    /* may be NULL */
        void *ctx;
        /* For the in-flight limit: a connection that may be queried from inside publisher_poll.
         * Called only when one is needed; may return NULL (database away: publishing waits). */
        struct db *(*database)(void *ctx);
        /* A lane that the caller itself consumes: never held back, since only the caller could make
         * room. NULL: none. */
        const char *exempt_topic;
        /* messages are few, and somebody waits for them: none waits for others that could share its
         * request */
        bool no_linger;
};

struct publisher;

int publisher_new(const struct publisher_options *o, struct publisher **ret, struct err *e)
        MUST_CHECK;
void publisher_free(struct publisher *p); /* does not wait for acknowledgements: flush first */
DEFINE_CLEANUP(publisher_cleanup, struct publisher, publisher_free)

/* 0: queued. 1: not now (queue full, or the in-flight limit): publisher_poll, then try again. -1:
 * error. */
int publish_task(struct publisher *p, const struct task *m, enum lane lane, uint64_t token,
                 struct err *e) MUST_CHECK;
int publish_outcome(struct publisher *p, const struct outcome_event *m, uint64_t token,
                    struct err *e) MUST_CHECK;
int publish_run(struct publisher *p, const struct run_event *m, uint64_t token, struct err *e)
        MUST_CHECK;
int publish_dead_letter(struct publisher *p, const struct dead_letter *m, uint64_t token,
                        struct err *e) MUST_CHECK;

/* Serves acknowledgements for up to timeout_ms; refreshes what has been consumed when publishing is
 * held back. */
int publisher_poll(struct publisher *p, int timeout_ms, struct err *e) MUST_CHECK;
/* Until everything is acknowledged. 0, 1 when the time is over first, -1 error. */
int publisher_flush(struct publisher *p, int timeout_ms, struct err *e) MUST_CHECK;
size_t publisher_unacked(const struct publisher *p);
/* The cluster's id, asked once; ERR_RETRY while no broker answers. Lives as long as the publisher.
 */
int publisher_cluster(struct publisher *p, int timeout_ms, const char **ret, struct err *e)
        MUST_CHECK;

struct kafka_producer *publisher_client(struct publisher *p); /* for questions to the brokers */

/* The Kafka options that the service's configuration stands for; points into it. `storage` holds
 * the property list. ERR_FATAL when a file with a secret cannot be read. */
struct kafka_options;
struct kafka_property;
int kafka_options_of(const struct service *s, const char *client_id, struct kafka_property *storage,
                     size_t max, struct kafka_options *ret, struct err *e) MUST_CHECK;
