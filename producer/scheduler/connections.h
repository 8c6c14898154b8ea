/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The scheduler's connections to PostgreSQL and Kafka: those of the context, and what they need. */
#include "context.h"

struct connections;

/* `acked`, `ctx`: see publisher_options. `notified`: a NOTIFY on this channel, while the loop
 * waits. */
struct connection_events {
        void *ctx;
        publish_acked acked;
        void (*notified)(void *ctx, const char *channel);
};

int connections_new(struct context *c, const struct connection_events *events,
                    struct connections **ret, struct err *e) MUST_CHECK;
void connections_free(struct connections *x); /* closes them */
DEFINE_CLEANUP(connections_cleanup, struct connections, connections_free)

/* Opens what is not open. After an error the caller closes the database's: what is being published
 * belongs to them. */
int connections_open(struct connections *x, struct err *e) MUST_CHECK;
void connections_close_database(struct connections *x);

/* A delivery failed: connections_open starts with a new publisher, from what is committed. */
bool connections_failed(const struct connections *x);
/* Logs when Kafka has acknowledged nothing for some time, and when it does again. */
void connections_watch_acks(struct connections *x);
