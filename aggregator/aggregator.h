#pragma once
/*
 * The aggregator as a whole: takes audit events from the results topic, folds them, stores each
 * batch with its positions in one transaction. One thread. What it is given by Kafka and PostgreSQL
 * may go away at any moment: it waits, says so once, and goes on.
 */
#include "aggregator/numbered.h"
#include "aggregator/store.h"
#include "codec/codec.h"
#include "config/service.h"
#include "kafka/kafka.h"
#include "publish/publish.h"

enum { TAKE_MAX = 4096, OWNER_MAX = 128 };

/* The share that is being folded from the ledger. */
struct arrears {
        int32_t source_no; /* 0: none */
        int64_t epoch;
        int partitions;            /* that subjects are spread over */
        struct db_result *sources; /* store_behind */
        int at;                    /* of them */
        int64_t after;             /* last number read of that one */
        int64_t counted;
};

struct aggregator {
        const struct service *service;
        char owner[OWNER_MAX];              /* host and process, as rollcall.position shows it */
        char cluster[KAFKA_CLUSTER_ID_MAX]; /* "" until a broker has answered */
        struct kafka_property *properties;
        struct kafka_consumer *consumer; /* NULL until it could be made */
        struct codec *codec;
        struct fold *fold;
        struct store *store;
        struct numbered numbers;
        int64_t numbers_ms;             /* monotonic: when the database was asked for them */
        struct kafka_message *messages; /* TAKE_MAX of them */

        struct arrears arrears;
        struct share *shares; /* what the group has assigned to us */
        size_t n_shares, latest;

        /* the batch */
        size_t taken;          /* messages */
        int64_t since_ms;      /* when its first came */
        struct arena *decoded; /* of one event */
        struct arena *letter_memory;
        struct letter *letters, **letters_end;

        /* dead letters on their way to their topic */
        struct publisher *publisher; /* by need_publisher; also for questions to the brokers */
        struct arena *outgoing;
        struct err refused; /* what an acknowledgement said */
        int64_t publish_at_ms;

        int64_t without_ms; /* when it last had shares, or was asked about it */
        struct watch *watch;
        int64_t present_ms; /* when it was last written down that we are here */
        int64_t connect_at_ms, claim_at_ms, broker_at_ms; /* not before */
        bool behind; /* a share is: there is more to fold from the ledger */
        bool database_away, broker_away, letters_wait;
        /* since the start; forged: what the ledger cannot have made */
        int64_t counted, repeated, undecodable, forged;
};

int aggregator_new(const struct service *s, struct aggregator **ret, struct err *e) MUST_CHECK;
/* Leaves the group. What has not been stored comes again. */
void aggregator_free(struct aggregator *a);
DEFINE_CLEANUP(aggregator_cleanup, struct aggregator, aggregator_free)

/* A turn of half a second at most, while all is well. 0: again; 1: there is nothing to take from
 * yet, wait a little; -1: cannot go on. */
int aggregator_step(struct aggregator *a, struct err *e) MUST_CHECK;
/* Stores what has been taken and publishes what is due; then the aggregator can be freed. */
int aggregator_drain(struct aggregator *a, struct err *e) MUST_CHECK;

/* ---- between the files of this program ---- */

/* Folds messages into the batch, storing it whenever it is full. -1: fatal. */
int intake(struct aggregator *a, const struct kafka_message *list, size_t n, struct err *e)
        MUST_CHECK;
/* Stores the batch and begins another. 0; 1: not stored, all shares must be claimed again; -1:
 * fatal. */
int batch_store(struct aggregator *a, struct err *e) MUST_CHECK;
void batch_drop(struct aggregator *a);

/* The message before a claimed share's position has been looked at; another log's stops the share,
 * or puts its position right. -1: error. */
int share_compared(struct aggregator *a, struct share *x, bool same, struct err *e) MUST_CHECK;

/* Folds a part of what shares that are behind lack, for a fraction of a second. 0 none is; 1 there
 * is more; -1 error, also those that pass. */
int arrears_fold(struct aggregator *a, struct err *e) MUST_CHECK;
void arrears_reset(struct arrears *c);

/* Makes a->publisher, for dead letters and for questions to the brokers, unless it is there. */
int need_publisher(struct aggregator *a, struct err *e) MUST_CHECK;
/* Publishes dead letters that the table has and the topic has not. -1: error, also those that pass.
 */
int letters_publish(struct aggregator *a, struct err *e) MUST_CHECK;
/* Adds a message to the batch's dead letters. False: no memory in this batch. */
bool letter_add(struct aggregator *a, struct share *x, const struct kafka_message *m,
                const char *reason);
