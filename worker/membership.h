/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Membership of a lane's consumer group. The group is served from several places: from the loop,
 * while publishing waits for Kafka, between two rounds of actions, and while a statement waits for
 * the database. What it assigns and revokes then depends on the state.
 */
#include "kafka/kafka.h"

enum membership_state {
        /* What is assigned is claimed, and what is revoked is released, at once. */
        MEMBERSHIP_JOINED,
        /* In one of the group's callbacks, which uses the database: the group is not served again
         * from within. */
        MEMBERSHIP_REBALANCING,
        /* Served while a statement is waited for: nothing may use the connection. What is revoked
         * stays ours until the transaction has ended; what is assigned is refused, and Kafka
         * assigns it again. */
        MEMBERSHIP_BUSY,
        /* The group is to be left and joined again. */
        MEMBERSHIP_REJOINING,
        /* The same, with other Kafka clients: these are of no use any more. */
        MEMBERSHIP_BROKEN,
};

/* What the owner of the membership does; `ctx` is its own. */
struct membership_owner {
        /* Claims all of the list, or none, and sets where each is to be consumed from. What it
         * refuses is assigned again by Kafka; it logs the reason. */
        int (*claim)(void *ctx, struct kafka_partition *list, size_t n, struct err *e);
        /* Before partitions are revoked in order: saves what is acknowledged. */
        void (*flush)(void *ctx);
        /* They are not ours any more; if `busy`, when the transaction under way has ended. */
        void (*release)(void *ctx, const struct kafka_partition *list, size_t n, bool busy);
        void *ctx;
        const char *lane; /* for the log */
        int number;
};

struct membership {
        enum membership_state state;
        struct membership_owner owner;
        struct kafka_consumer *consumer; /* NULL: not a member */
        int64_t polled_ms;               /* when the group was last served */
        bool refused; /* what Kafka assigned in the latest poll could not be claimed */
};

/* Joins the group: the consumer is there. `options`: without `events`. */
int membership_join(struct membership *m, const struct kafka_options *o,
                    struct kafka_consumer_options options, struct err *e) MUST_CHECK;
/* Leaves the group, if it is a member. The next join begins with JOINED. */
void membership_leave(struct membership *m);

/* Messages, as kafka_poll gives them. After an error the state is REJOINING or BROKEN if the group
 * must be joined again. */
int membership_poll(struct membership *m, int timeout_ms, struct kafka_message *list, size_t max,
                    struct err *e) MUST_CHECK;
/* Serves the group without taking messages. -1: it is BROKEN; other errors pass, or come again in
 * the next membership_poll. */
int membership_serve(struct membership *m, struct err *e) MUST_CHECK;
/* The same when it was not served for long. */
int membership_serve_if_due(struct membership *m, struct err *e) MUST_CHECK;
/* The same while a statement is waited for; not more often than each second. */
void membership_serve_busy(struct membership *m);
/* Are the Kafka clients of no use any more? */
bool membership_is_broken(struct membership *m);
