#pragma once
/*
 * The consumer's own state, shared by consumer.c (polling) and assignment.c (whose partitions are
 * ours). Inside the kafka room only.
 *
 * The group protocol is the eager one: a rebalance takes everything away, then offers a new set.
 * The offer is only noted in librdkafka's callback and taken up after it, when no message of the
 * old assignment can be left in the batch; so a message whose partition is in `slots` belongs to
 * the present assignment.
 */
#include "kafka/batch_end.h"
#include "kafka/client.h"

struct slot {
        const char *topic;
        int32_t partition;
        int64_t next; /* offset; lower ones are not wanted */
        /* ms: the latest time of the messages given out; -1: none yet, or they have none */
        int64_t newest;
        struct landmark {       /* what the log says of a time, for as long as it is the same one */
                int64_t ms;     /* that time; -1: no landmark */
                int64_t offset; /* its first message of that time or later; -1: it had none, */
                int64_t after;  /* and when one comes, it comes after this one */
        } landmark;
        bool held; /* by kafka_pause_partition */
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
        rd_kafka_topic_partition_list_t *offered; /* by the group, not taken up yet; NULL: none */
        bool acknowledged;     /* the group has been answered with an empty assignment meanwhile */
        int64_t offer_at;      /* ms, monotonic: when to try `offered` */
        size_t prefetch_count; /* librdkafka stops fetching when so many messages are queued */
        size_t prefetch_bytes;
        uint64_t polled;           /* how often */
        size_t taken, taken_bytes; /* since the last nudge */
        rd_kafka_message_t **batch;
        size_t batch_cap;
        struct err pending; /* met between messages; the next poll without messages returns it */
        char detail[256]; /* librdkafka's last word on a broker connection, for _ALL_BROKERS_DOWN */
        bool paused;      /* by kafka_pause */
        bool idle;        /* paused by us, because the caller takes nothing */
        int64_t idle_since; /* ms, monotonic; 0: the last poll took messages */
        bool closing;
        char *embedded;  /* path, or NULL */
        int64_t look_at; /* ms, monotonic: when to see whether the embedded broker is another one */
        int64_t landmark_at; /* ms, monotonic: when to take newer landmarks */
        /* how often in a row the landmarks were not found, while the brokers answered */
        int unanswered;
        struct embedded_address address;
        char cluster[KAFKA_CLUSTER_ID_MAX];
};

void assignment_callback(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque);
/* Starts fetching at `offset`, without what that means for slot.next. */
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
/* Takes up what the group has offered, if it is time; -1 when `assigned` or librdkafka refused. */
int assignment_take_up(struct kafka_consumer *c, struct err *e) MUST_CHECK;
bool assignment_close(struct kafka_consumer *c); /* false: the group could not be left in time */
struct slot *assignment_find(struct kafka_consumer *c, const char *topic, int32_t partition);
struct slot *assignment_of(struct kafka_consumer *c, const rd_kafka_message_t *m);
/* Brings the partitions to what c->paused, c->idle and their own `held` say. */
int assignment_apply_pause(struct kafka_consumer *c, struct err *e) MUST_CHECK;
