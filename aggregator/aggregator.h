/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The state of the aggregator: what the steps of its loop work on. One thread. Kafka and PostgreSQL
 * may become unavailable at any moment; that is logged once, and everything is retried.
 */
#include "aggregator/issued.h"
#include "aggregator/partition.h"
#include "aggregator/store.h"
#include "codec/codec.h"
#include "config/service.h"
#include "publish/publish.h"

enum {
        AGGREGATOR_POLL_MAX = 4096, /* messages of one poll */
        AGGREGATOR_PROPERTIES_MAX = 64,
        AGGREGATOR_OWNER_MAX = 128,
        AGGREGATOR_RETRY_MS = 1000, /* between attempts to reach what is unavailable */
        /* between checks of what brings nothing, such as a quiet partition */
        AGGREGATOR_CHECK_MS = 10000,
};

/* The partition that is being backfilled. */
struct backfill {
        int32_t source_no; /* 0: none */
        int64_t epoch;
        int partitions; /* among which subjects are distributed */
        /* result of store_backfill_sources; row and sequence that were reached in it */
        struct db_result *sources;
        int row;
        int64_t after;
        int64_t counted;
};

/* What has been consumed and is not stored yet. */
struct aggregator_batch {
        size_t events;
        int64_t since_ms;     /* when the first of them came */
        struct arena *memory; /* of the dead letters */
        struct dead_letter_entry *dead_letters, **dead_letters_end;
};

struct aggregator {
        const struct service *service;
        char owner[AGGREGATOR_OWNER_MAX];   /* host and process, as in rollcall.position */
        char cluster[KAFKA_CLUSTER_ID_MAX]; /* "" until a broker has answered */
        struct watch *watch;
        struct store *store;

        struct kafka_property *properties;
        struct kafka_consumer *consumer; /* NULL until it could be created */
        struct kafka_searches *searches;
        struct kafka_message *messages; /* AGGREGATOR_POLL_MAX of them */
        struct codec *codec;
        struct arena *decoded; /* of one event */

        struct partition *partitions; /* assigned to us */
        size_t n_partitions;
        size_t latest; /* the partition of the latest message */
        struct issued issued;
        int64_t issued_ms; /* when the database was queried for it */
        struct fold *fold;
        struct aggregator_batch batch;
        struct backfill backfill;
        bool backfill_more; /* a partition has more to backfill: do not wait for messages */

        struct publisher *publisher;   /* see aggregator_need_publisher */
        struct arena *publishing;      /* memory of the dead letters that are being published */
        struct err publish_error;      /* of an acknowledgement */
        bool publish_logged;           /* that dead letters cannot be published */
        int64_t publish_not_before_ms; /* monotonic, as are the following */

        int64_t connect_not_before_ms, claim_not_before_ms, consumer_not_before_ms;
        int64_t present_ms;    /* when rollcall.presence was written */
        int64_t unassigned_ms; /* when there were partitions, or the ledger was read for them */
        bool database_unavailable, broker_unavailable; /* as it was logged */

        /* totals since the start, for the last log line */
        int64_t counted, duplicates, undecodable, forged;
};

int aggregator_new(const struct service *s, struct aggregator **ret, struct err *e) MUST_CHECK;
/* Leaves the group. What has not been stored will be consumed again. */
void aggregator_free(struct aggregator *a);
DEFINE_CLEANUP(aggregator_cleanup, struct aggregator, aggregator_free)

/* Log that the broker or the database is unavailable, or that it has recovered (`why` NULL); once
 * for each change. */
void aggregator_log_broker(struct aggregator *a, const struct err *why);
void aggregator_log_database(struct aggregator *a, const struct err *why);

/* Not negative: see aggregator_need_database and membership_need_consumer. */
enum availability { AVAILABLE, UNAVAILABLE };

bool aggregator_has_database(const struct aggregator *a); /* a connection that is alive */
/* Connects to the database unless there is a connection. -1: fatal. */
int aggregator_need_database(struct aggregator *a, struct err *e) MUST_CHECK;
/* Creates a->publisher unless it is there: it publishes dead letters, and asks the brokers. */
int aggregator_need_publisher(struct aggregator *a, struct err *e) MUST_CHECK;

/* What the functions of partition.h work with; only while there is a connection. */
struct partition_context aggregator_partition_context(const struct aggregator *a);

/* An error that passes is logged, and the connection closed if it broke; 0. Any other error ends
 * the process: -1 and `e`. */
int aggregator_classify_error(struct aggregator *a, const struct err *why, struct err *e)
        MUST_CHECK;
