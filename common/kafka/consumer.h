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
                int64_t seek; /* where fetching was last begun anew for the search */
                /* It was not accepted: tried again, and what comes meanwhile is of elsewhere. */
                bool due;
                bool ask; /* where the log ends was not answered: asked again */
                /* The poll that it was asked for in: what else that one brought is older. */
                uint64_t polled;
                int64_t until_ms; /* when to try again, should nothing come */
        } unreadable;
        /* as librdkafka knows it: 2.0.2 drops messages when a partition is resumed that was not
         * paused */
        bool paused;
};

struct kafka_consumer {
        rd_kafka_t *rk;
        rd_kafka_queue_t *queue;
        struct kafka_consumer_events events;
        struct kafka_searches *searches; /* NULL: a search that is interrupted begins anew */
        char **topics;
        size_t n_topics;
        struct slot *slots;     /* partitions of ours */
        size_t n_slots, latest; /* `latest`: of the message before, tried first */
        const rd_kafka_topic_t *latest_rkt;
        /* by the group, not applied yet; NULL: none */
        rd_kafka_topic_partition_list_t *pending_assignment;
        bool answered;    /* with an empty assignment, so that the group need not wait for us */
        int64_t apply_at; /* ms, monotonic: when to apply the pending assignment */
        size_t prefetch_count; /* librdkafka stops fetching when so many messages are queued */
        size_t prefetch_bytes;
        uint64_t polled;           /* how often */
        size_t taken, taken_bytes; /* since the fetchers were woken */
        rd_kafka_message_t **batch;
        size_t batch_cap;
        struct err pending; /* found between messages; the next poll without messages returns it */
        char detail[256]; /* librdkafka's last word on a broker connection, for _ALL_BROKERS_DOWN */
        bool idle;        /* all are paused, because the caller takes nothing */
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

void assignment_callback(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque);
/* Starts fetching at `offset`; slot.next is left to the caller. */
int consumer_seek(struct kafka_consumer *c, struct slot *s, int64_t offset, struct err *e)
        MUST_CHECK;

/* ---- opened.c: no batch opens to more bytes */
size_t opened_max(void);

/* ---- unreadable.c */
/* Is it about a batch that cannot be read, or the search for its end? It is dealt with here. */
bool unreadable_error(struct kafka_consumer *c, const rd_kafka_message_t *m);
/* Is the message only an answer in the search? */
bool unreadable_probed(struct kafka_consumer *c, const rd_kafka_message_t *m, struct slot *s);
/* Adds unreadable batches whose end is known to list[n..max). The new n, or -1. */
int unreadable_give(struct kafka_consumer *c, struct kafka_message *list, size_t n, size_t max,
                    struct err *e) MUST_CHECK;

/* ---- searches.c: the searches of partitions that were taken away */
void searches_keep(struct kafka_searches *list, const struct slot *s);
/* What was kept of a partition that comes back where it was. */
void searches_recall(struct kafka_searches *list, struct slot *s);

/* ---- assignment.c */
/* Applies the pending assignment, if it is time. -1: `assigned` or librdkafka refused it. */
int assignment_apply(struct kafka_consumer *c, struct err *e) MUST_CHECK;
bool assignment_close(struct kafka_consumer *c); /* false: the group could not be left in time */
struct slot *assignment_find(struct kafka_consumer *c, const char *topic, int32_t partition);
struct slot *assignment_of(struct kafka_consumer *c, const rd_kafka_message_t *m);
/* Pauses and resumes the partitions as c->idle and their own `pause_requested` say. */
int assignment_apply_pause(struct kafka_consumer *c, struct err *e) MUST_CHECK;
