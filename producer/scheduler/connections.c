/* SPDX-License-Identifier: Apache-2.0 */
/* Two sessions of the database (the lease has its own, to be renewed while a long statement runs)
 * and two publishers. */
#include "connections.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        QUEUE_MAX = 16 * 1024 * 1024,
        PROMPT_QUEUE_MAX = 4 * 1024 * 1024,
        CLUSTER_TIMEOUT_MS = 1000,
        STALL_MS = 10000,
};

struct connections {
        struct context *c;
        struct connection_events events;
        bool failed;
        char failure[200];
        int64_t acked_ms; /* when Kafka last acknowledged something, or owed nothing */
        bool stalled;     /* logged */
};

int connections_new(struct context *c, const struct connection_events *events,
                    struct connections **ret, struct err *e)
{
        struct connections *x = calloc(1, sizeof *x);
        if (!x)
                return err_oom(e);
        x->c = c;
        x->events = *events;
        *ret = x;
        return 0;
}

/* ---- the database ---- */

/* A process that was paused in the middle of a transaction must not keep the lease's row locked,
 * and nobody waits for it without limit. */
static int connect_database(struct context *c, const char *name, struct db **ret, struct err *e)
{
        char sql[160];
        if (*ret && db_alive(*ret))
                return 0;
        char *conninfo CLEANUP(cleanup_free) = NULL;
        db_free(TAKE(*ret));
        if (service_conninfo(c->service, &conninfo, e) < 0 ||
            db_open(conninfo, name, (int)c->service->database.connect_timeout_ms, ret, e) < 0)
                return -1;
        snprintf(sql, sizeof sql,
                 "set idle_in_transaction_session_timeout = %lld; set lock_timeout = %lld",
                 (long long)c->lease.length_ms, (long long)c->lease.length_ms);
        return db_exec(*ret, sql, e);
}

/* While a long statement runs. An error is met again by the loop. */
static void keep_lease(void *ctx)
{
        struct context *c = ctx;
        struct err ignored = ERR_INIT;
        if (c->lease.epoch && c->lease_db && db_alive(c->lease_db))
                (void)!lease_keep(&c->lease, c->lease_db, NULL, &ignored);
}

/* Jobs that were added to a pack since `rollcall db apply`. */
static int register_jobs(struct context *c, struct err *e)
{
        for (size_t i = 0; i < c->packs->n; i++)
                for (size_t k = 0; k < c->packs->list[i]->n_jobs; k++) {
                        db_params_reset(c->params);
                        db_add_str(c->params, c->packs->list[i]->name);
                        db_add_str(c->params, c->packs->list[i]->jobs[k].name);
                        if (db_query(c->db,
                                     "insert into rollcall.job (pack, job) values ($1, $2) "
                                     "on conflict do nothing",
                                     c->params, NULL, e) < 0)
                                return -1;
                }
        return 0;
}

static void pass_notification(void *ctx, const char *channel)
{
        struct connections *x = ctx;
        x->events.notified(x->events.ctx, channel);
}

static int open_database(struct connections *x, struct err *e)
{
        struct context *c = x->c;
        if (c->db && db_alive(c->db) && c->lease_db && db_alive(c->lease_db))
                return 0;
        if (connect_database(c, "rollcall-scheduler", &c->db, e) < 0 ||
            connect_database(c, "rollcall-scheduler lease", &c->lease_db, e) < 0)
                return -1;
        db_set_tick(c->db, keep_lease, c);
        db_on_notify(c->lease_db, pass_notification, x);
        pass_notification(x, "rollcall_request"); /* one may have been missed */
        if (ledger_check(c->db, c->service->kafka.prefix, e) < 0 ||
            (!c->types && type_numbers_load(c->db, c->packs, &c->types, e) < 0) ||
            register_jobs(c, e) < 0)
                return -1;
        return db_exec(c->lease_db, "listen rollcall_run; listen rollcall_request", e);
}

void connections_close_database(struct connections *x)
{
        db_free(TAKE(x->c->db));
        db_free(TAKE(x->c->lease_db));
}

/* ---- Kafka ---- */

static void receive_ack(void *ctx, uint64_t token, const struct err *e)
{
        struct connections *x = ctx;
        x->acked_ms = monotonic_ms();
        if (e && token) {
                x->failed = true;
                snprintf(x->failure, sizeof x->failure, "%s", e->text);
        } else {
                x->events.acked(x->events.ctx, token, e);
        }
}

static void close_kafka(struct connections *x)
{
        publisher_free(TAKE(x->c->publisher));
        publisher_free(TAKE(x->c->prompt));
        x->c->cluster = NULL;
        x->failed = x->stalled = false;
}

static int open_publisher(struct connections *x, size_t queue_max, bool no_linger,
                          struct publisher **ret, struct err *e)
{
        const struct publisher_options o = { .service = x->c->service,
                                             .source = "/rollcall/scheduler",
                                             .client_id = x->c->lease.holder,
                                             .queue_max_bytes = queue_max,
                                             .acked = receive_ack,
                                             .ctx = x,
                                             .no_linger = no_linger };
        return *ret ? 0 : publisher_new(&o, ret, e);
}

static int open_kafka(struct connections *x, struct err *e)
{
        struct context *c = x->c;
        if (c->publisher && (x->failed || publisher_broker_restarted(c->publisher))) {
                err_set(e, ERR_RETRY, "", "%s",
                        x->failed ? x->failure : "the embedded broker was restarted");
                close_kafka(x);
                return -1;
        }
        if (open_publisher(x, QUEUE_MAX, false, &c->publisher, e) < 0 ||
            open_publisher(x, PROMPT_QUEUE_MAX, true, &c->prompt, e) < 0)
                return -1;
        return c->cluster ? 0 : publisher_cluster(c->publisher, CLUSTER_TIMEOUT_MS, &c->cluster, e);
}

int connections_open(struct connections *x, struct err *e)
{
        return open_database(x, e) < 0 ? -1 : open_kafka(x, e);
}

void connections_free(struct connections *x)
{
        if (!x)
                return;
        connections_close_database(x);
        close_kafka(x);
        free(x);
}

bool connections_failed(const struct connections *x)
{
        return x->failed;
}

void connections_watch_acks(struct connections *x)
{
        int64_t now = monotonic_ms();
        size_t unacked = publisher_unacked(x->c->publisher);
        if (unacked == 0)
                x->acked_ms = now;
        bool stalled = now - x->acked_ms >= STALL_MS;
        if (stalled && !x->stalled)
                log_warn("Kafka does not acknowledge", "messages=%zu", unacked);
        if (!stalled && x->stalled)
                log_info("Kafka acknowledges again", "cluster=%s", x->c->cluster);
        x->stalled = stalled;
}
