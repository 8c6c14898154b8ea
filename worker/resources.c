/* SPDX-License-Identifier: Apache-2.0 */
/* What a lane worker needs: memory, codec, database session, publisher, group membership. */
#include "resources.h"

#include "claims.h"
#include "ledger/presence.h"
#include "pack/action_ops.h"
#include "places.h"
#include "publish/kafka_options.h"
#include "take_intake.h"
#include "type_pauses.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        MIB = 1024 * 1024,
        ENTRY_BYTES = 1024,
        PROPERTIES_MAX = 64,
        CLUSTER_TIMEOUT_MS = 5000,
        TURN_MS = 30000,
        MAILS_FIRST = 100
};
/* of a lane's threads together: more threads are to cost no more memory than they must */
enum { QUEUE_MAX = 6 * MIB, PREFETCH_MAX = 5 * MIB / 2 };

static size_t share_of(const struct lane_worker *w, size_t of)
{
        return of / (size_t)w->o->service->worker.threads;
}

/* While publishing waits: the group is served. Non-zero: the process is to stop at once. */
static int publishing_tick(void *ctx)
{
        struct lane_worker *w = ctx;
        struct err ignored = ERR_INIT;
        return membership_serve_if_due(&w->membership, &ignored) < 0 || lane_worker_stopping(w);
}

/* While a statement waits. */
static void database_tick(void *ctx)
{
        struct lane_worker *w = ctx;
        if (lane_worker_stopping(w))
                db_cancel(w->db);
        membership_serve_busy(&w->membership);
}

int resources_open(struct lane_worker *w, struct err *e)
{
        const struct service *s = w->o->service;
        w->batch_max = (size_t)(w->o->lane == LANE_MAIL ? s->mail.batch_max : s->worker.batch_max);
        w->take = w->o->lane == LANE_MAIL && w->batch_max > MAILS_FIRST ? MAILS_FIRST
                                                                        : w->batch_max;
        w->messages = calloc(w->batch_max, sizeof *w->messages);
        /* what a full batch may take, of messages and of our own */
        size_t room = (size_t)s->worker.batch_max_bytes + w->batch_max * ENTRY_BYTES;
        w->batch.arena = arena_new(8 * MIB + 4 * room);
        /* the ledger's JSON has up to six bytes for one */
        w->transactor.params = db_params_new(8 * MIB + 8 * room);
        w->places = places_new();
        w->runs = run_cache_new(w->o->packs, w->o->service->retry.version_wait_ms);
        w->searches = kafka_searches_new();
        if (!w->messages || !w->batch.arena || !w->transactor.params || !w->runs || !w->places ||
            !w->searches)
                return err_oom(e);
        w->transactor.partitions = &w->partitions;
        w->transactor.owner = w->owner;
        w->transactor.pause_base_ms = s->retry.pause_base_ms;
        w->transactor.pause_max_ms = s->retry.pause_max_ms;
        w->transactor.retry = (struct retry_policy){ s->retry.attempts, s->retry.base_ms,
                                                     s->retry.max_ms, false, arc4random };
        w->transactor.deferred = (struct retry_policy){ s->retry.put_off_attempts,
                                                        s->retry.put_off_base_ms,
                                                        s->retry.put_off_max_ms, true, arc4random };
        w->membership.owner = (struct membership_owner){ claims_assigned,       claims_flush,
                                                         claims_release,        w,
                                                         lane_name(w->o->lane), w->o->number };
        w->outbox.partitions = &w->partitions;
        w->outbox.cluster = w->cluster;
        w->outbox.packs = w->o->packs;
        w->outbox.tick = publishing_tick;
        w->actor.stopping = lane_worker_stopping;
        w->outbox.ctx = w->actor.ctx = w;
        w->actor.service = s;
        w->actor.packs = w->o->packs;
        w->actor.transactor = &w->transactor;
        if (actor_init(&w->actor, e) < 0 || codec_new(s->schemas.folder, &w->codec, e) < 0)
                return -1;
        return w->topic ? 0 : take_intake_open(w, e);
}

/* Statements are prepared before the first task needs them. A type for which that fails is
 * paused; the others are served. */
static int prepare_type(struct lane_worker *w, const struct task_type *t, struct err *e)
{
        struct transactor *x = &w->transactor;
        int type_no = type_number(w->types, t);
        if (compose_all(x->composer, w->db, t, type_no, e) == 0)
                return 0;
        if (db_server_state(e) || err_is_oom(e) || !db_alive(w->db))
                return -1;
        if (!pauses_add(&x->pauses, t, type_no, e, NULL, 0) || type_pauses_write(x, NULL, e) < 0)
                return -1;
        type_pauses_log_committed(x, w->o->lane);
        return 0;
}

static int prepare_lane(struct lane_worker *w, struct err *e)
{
        for (size_t i = 0; i < w->o->packs->n; i++)
                for (size_t j = 0; j < w->o->packs->list[i]->n_types; j++) {
                        const struct task_type *t = &w->o->packs->list[i]->types[j];
                        if (t->lane == w->o->lane && prepare_type(w, t, e) < 0)
                                return -1;
                }
        return 0;
}

/* A worker that is frozen in the middle of a transaction must not keep the one that takes over
 * waiting for its locks. */
static int prepare_session(struct lane_worker *w, struct err *e)
{
        char sql[240];
        /* A custom plan believes in as many rows as the batch has tasks, and then reads a table
         * from its beginning to merge with them. */
        snprintf(sql, sizeof sql,
                 "set idle_in_transaction_session_timeout = %lld; set plan_cache_mode = "
                 "force_generic_plan; "
                 "set lock_timeout = %lld",
                 (long long)w->o->service->kafka.session_timeout_ms,
                 (long long)w->o->service->worker.lock_timeout_ms);
        if (db_exec(w->db, sql, e) < 0)
                return -1;
        /* the server ends the statement of a killed worker, and with it its locks, where its
         * system can see that */
        (void)!db_exec(w->db, "set client_connection_check_interval = '1s'", NULL);
        return 0;
}

int resources_open_database(struct lane_worker *w, struct err *e)
{
        char *conninfo CLEANUP(cleanup_free) = NULL;
        if (service_conninfo(w->o->service, &conninfo, e) < 0)
                return -1;
        if (db_open(conninfo, w->owner, (int)w->o->service->database.connect_timeout_ms, &w->db,
                    e) < 0)
                return -1;
        w->transactor.db = w->db;
        w->transactor.composer = composer_new();
        if (!w->transactor.composer)
                return err_oom(e);
        db_set_tick(w->db, database_tick, w);
        if (prepare_session(w, e) < 0 || ledger_check(w->db, w->o->service->kafka.prefix, e) < 0 ||
            type_numbers_load(w->db, w->o->packs, &w->types, e) < 0)
                return -1;
        w->transactor.pauses = (struct pauses){ 0 };
        return type_pauses_read(&w->transactor, e) < 0 ? -1 : prepare_lane(w, e);
}

void resources_close_session(struct lane_worker *w)
{
        composer_free(w->transactor.composer);
        type_numbers_free(w->types);
        db_free(w->db);
        w->transactor.composer = NULL;
        w->types = NULL;
        w->db = w->transactor.db = NULL;
}

void resources_close_database(struct lane_worker *w)
{
        if (w->batch.arena)
                batch_reset(&w->batch);
        if (w->runs)
                run_cache_evict(w->runs);
        resources_close_session(w);
}

static void acked(void *ctx, uint64_t token, const struct err *e)
{
        struct lane_worker *w = ctx;
        outbox_acked(&w->outbox, token, e);
}

static int open_publisher(struct lane_worker *w, struct err *e)
{
        struct publisher_options o = {
                .service = w->o->service,
                .source = "/rollcall/worker",
                .client_id = w->owner,
                .queue_max_bytes = share_of(w, QUEUE_MAX),
                .acked = acked,
                .ctx = w,
                .exempt_topic = w->topic,
                .no_linger = w->o->lane == LANE_URGENT,
        };
        return publisher_new(&o, &w->publisher, e);
}

/* Statements are waited for while the group is served; what is done outside the database keeps the
 * group waiting for as long as its own limit says. */
static int64_t action_ms(const struct service *s, const struct task_type *t)
{
        return t->ops->longest_ms ? t->ops->longest_ms(s, t) : 0;
}

static int64_t poll_max_ms(const struct lane_worker *w)
{
        int64_t longest = 0;
        for (size_t i = 0; i < w->o->packs->n; i++)
                for (size_t j = 0; j < w->o->packs->list[i]->n_types; j++) {
                        const struct task_type *t = &w->o->packs->list[i]->types[j];
                        if (t->lane == w->o->lane && action_ms(w->o->service, t) > longest)
                                longest = action_ms(w->o->service, t);
                }
        return TURN_MS + longest;
}

int resources_open_kafka(struct lane_worker *w, struct err *e)
{
        const struct service *s = w->o->service;
        struct kafka_property storage[PROPERTIES_MAX];
        struct kafka_options o;
        const char *cluster = NULL, *topics[INTAKES_MAX];
        for (size_t i = 0; i < s->n_intakes; i++)
                topics[i] = s->intakes[i].topic;
        if (!w->publisher && open_publisher(w, e) < 0)
                return -1;
        w->outbox.publisher = w->publisher;
        if (publisher_cluster(w->publisher, CLUSTER_TIMEOUT_MS, &cluster, e) < 0)
                return -1;
        snprintf(w->cluster, sizeof w->cluster, "%s", cluster);
        if (w->membership.consumer)
                return 0;
        if (kafka_options_of(s, w->owner, storage, PROPERTIES_MAX, &o, e) < 0)
                return -1;
        struct kafka_consumer_options c = {
                .group = w->group,
                .topics = w->topic ? &w->topic : topics,
                .n_topics = w->topic ? 1 : s->n_intakes,
                .session_timeout_ms = (int)s->kafka.session_timeout_ms,
                .poll_max_ms = poll_max_ms(w),
                .prefetch_max_bytes = share_of(w, PREFETCH_MAX),
                .searches = w->searches,
        };
        return membership_join(&w->membership, &o, c, e);
}

void resources_leave_group(struct lane_worker *w)
{
        membership_leave(&w->membership);
        for (size_t i = 0; i < w->partitions.n; i++)
                w->partitions.list[i].state = LANE_PARTITION_NONE;
}

void resources_close_publisher(struct lane_worker *w)
{
        outbox_reset(&w->outbox);
        publisher_free(TAKE(w->publisher));
        w->outbox.publisher = NULL;
}

void resources_close(struct lane_worker *w)
{
        if (w->db && db_alive(w->db))
                presence_leave(w->db, w->owner);
        resources_leave_group(w);
        resources_close_publisher(w);
        resources_close_database(w);
        actor_deinit(&w->actor);
        places_free(w->places);
        run_cache_free(w->runs);
        kafka_searches_free(w->searches);
        schema_ids_free(w->schema_ids);
        codec_free(w->codec);
        db_params_free(w->transactor.params);
        arena_free(w->batch.arena);
        free(w->partitions.list);
        free(w->messages);
}
