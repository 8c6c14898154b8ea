#include "pump_internal.h"

#include "ledger/presence.h"
#include "pack/action_ops.h"

#include "base/log.h"
#include "publish/kafka_options.h"

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
/* of a lane's pumps together: more threads are to cost no more memory than they must */
enum { QUEUE_MAX = 6 * MIB, PREFETCH_MAX = 5 * MIB / 2 };

static size_t share(const struct pump *p, size_t of)
{
        return of / (size_t)p->o->service->worker.threads;
}

int pump_open_base(struct pump *p, struct err *e)
{
        const struct service *s = p->o->service;
        p->batch_max = (size_t)(p->o->lane == LANE_MAIL ? s->mail.batch_max : s->worker.batch_max);
        p->take = p->o->lane == LANE_MAIL && p->batch_max > MAILS_FIRST ? MAILS_FIRST
                                                                        : p->batch_max;
        p->messages = calloc(p->batch_max, sizeof *p->messages);
        p->recover = calloc(SOURCES_MAX, sizeof *p->recover);
        /* what a full batch may take, of messages and of our own */
        size_t room = (size_t)s->worker.batch_max_bytes + p->batch_max * ENTRY_BYTES;
        p->batch.arena = arena_new(8 * MIB + 4 * room);
        /* the ledger's JSON takes up to six bytes for one */
        p->transactor.params = db_params_new(8 * MIB + 8 * room);
        p->runs = runs_new(p->o->packs, p->o->service->retry.version_wait_ms);
        p->searches = kafka_searches_new();
        if (!p->messages || !p->recover || !p->batch.arena || !p->transactor.params || !p->runs ||
            !p->searches)
                return err_oom(e);
        p->transactor.sources = &p->sources;
        p->transactor.owner = p->owner;
        p->transactor.pause_base_ms = s->retry.pause_base_ms;
        p->transactor.pause_max_ms = s->retry.pause_max_ms;
        p->transactor.retry = (struct retry_policy){ s->retry.attempts, s->retry.base_ms,
                                                     s->retry.max_ms, false, arc4random };
        p->transactor.put_off = (struct retry_policy){ s->retry.put_off_attempts,
                                                       s->retry.put_off_base_ms,
                                                       s->retry.put_off_max_ms, true, arc4random };
        p->outbox.sources = &p->sources;
        p->outbox.cluster = p->cluster;
        p->outbox.packs = p->o->packs;
        p->outbox.tick = pump_tick;
        p->actor.stopping = pump_stopping;
        p->outbox.ctx = p->actor.ctx = p;
        p->actor.service = s;
        p->actor.packs = p->o->packs;
        p->actor.transactor = &p->transactor;
        if (actor_init(&p->actor, e) < 0 || codec_new(s->schemas.folder, &p->codec, e) < 0)
                return -1;
        return p->topic ? 0 : pump_open_intake(p, e);
}

/* Statements are prepared before the first task asks for them. A type for which that fails is
 * paused; the others are served. */
static int prepare_type(struct pump *p, const struct task_type *t, struct err *e)
{
        struct transactor *x = &p->transactor;
        int type_no = type_number(p->types, t);
        if (compose_all(x->composer, p->db, t, type_no, e) == 0)
                return 0;
        if (db_server_state(e) || err_is_oom(e) || !db_alive(p->db))
                return -1;
        if (!pauses_add(&x->pauses, t, type_no, e, NULL, 0) ||
            transact_write_pauses(x, NULL, e) < 0)
                return -1;
        pump_note_pauses(p);
        return 0;
}

static int prepare_lane(struct pump *p, struct err *e)
{
        for (size_t i = 0; i < p->o->packs->n; i++)
                for (size_t j = 0; j < p->o->packs->list[i]->n_types; j++) {
                        const struct task_type *t = &p->o->packs->list[i]->types[j];
                        if (t->lane == p->o->lane && prepare_type(p, t, e) < 0)
                                return -1;
                }
        return 0;
}

/* A worker that is frozen in the middle of a transaction must not keep the one that takes over
 * waiting for its locks. */
static int prepare_session(struct pump *p, struct err *e)
{
        char sql[240];
        /* A custom plan believes in as many rows as the batch has tasks, and then reads a table
         * from its beginning to merge with them. */
        snprintf(
                sql, sizeof sql,
                "set idle_in_transaction_session_timeout = %lld; set plan_cache_mode = force_generic_plan; "
                "set lock_timeout = %lld",
                (long long)p->o->service->kafka.session_timeout_ms,
                (long long)p->o->service->worker.lock_timeout_ms);
        if (db_exec(p->db, sql, e) < 0)
                return -1;
        /* a worker that was killed lets go of its locks before its statement ends, where the
         * server's system can tell */
        (void)!db_exec(p->db, "set client_connection_check_interval = '1s'", NULL);
        return 0;
}

int pump_open_database(struct pump *p, struct err *e)
{
        char *conninfo CLEANUP(cleanup_free) = NULL;
        if (service_conninfo(p->o->service, &conninfo, e) < 0)
                return -1;
        if (db_open(conninfo, p->owner, (int)p->o->service->database.connect_timeout_ms, &p->db,
                    e) < 0)
                return -1;
        p->transactor.db = p->db;
        p->transactor.composer = composer_new();
        if (!p->transactor.composer)
                return err_oom(e);
        db_set_tick(p->db, pump_database_tick, p);
        if (prepare_session(p, e) < 0 || ledger_check(p->db, p->o->service->kafka.prefix, e) < 0 ||
            type_numbers_load(p->db, p->o->packs, &p->types, e) < 0)
                return -1;
        p->transactor.pauses = (struct pauses){ 0 };
        return pump_read_pauses(p, e) < 0 ? -1 : prepare_lane(p, e);
}

void pump_close_session(struct pump *p)
{
        composer_free(p->transactor.composer);
        type_numbers_free(p->types);
        db_free(p->db);
        p->transactor.composer = NULL;
        p->types = NULL;
        p->db = p->transactor.db = NULL;
}

void pump_close_database(struct pump *p)
{
        if (p->batch.arena)
                batch_reset(&p->batch);
        if (p->runs)
                runs_sweep(p->runs);
        pump_close_session(p);
}

static void acked(void *ctx, uint64_t token, const struct err *e)
{
        struct pump *p = ctx;
        outbox_acked(&p->outbox, token, e);
}

static int open_publisher(struct pump *p, struct err *e)
{
        struct publisher_options o = {
                .service = p->o->service,
                .source = "/rollcall/worker",
                .client_id = p->owner,
                .queue_max_bytes = share(p, QUEUE_MAX),
                .acked = acked,
                .ctx = p,
                .exempt_topic = p->topic,
                .no_linger = p->o->lane == LANE_URGENT,
        };
        return publisher_new(&o, &p->publisher, e);
}

/* Statements are waited for while the group is served; what is done outside the database keeps from
 * it for as long as its own limit says. */
static int64_t action_ms(const struct service *s, const struct task_type *t)
{
        return t->ops->longest_ms ? t->ops->longest_ms(s, t) : 0;
}

static int64_t poll_max_ms(const struct pump *p)
{
        int64_t longest = 0;
        for (size_t i = 0; i < p->o->packs->n; i++)
                for (size_t j = 0; j < p->o->packs->list[i]->n_types; j++) {
                        const struct task_type *t = &p->o->packs->list[i]->types[j];
                        if (t->lane == p->o->lane && action_ms(p->o->service, t) > longest)
                                longest = action_ms(p->o->service, t);
                }
        return TURN_MS + longest;
}

int pump_open_kafka(struct pump *p, struct err *e)
{
        const struct service *s = p->o->service;
        struct kafka_property storage[PROPERTIES_MAX];
        struct kafka_options o;
        const char *cluster = NULL, *topics[INTAKES_MAX];
        for (size_t i = 0; i < s->n_intakes; i++)
                topics[i] = s->intakes[i].topic;
        if (!p->publisher && open_publisher(p, e) < 0)
                return -1;
        p->outbox.publisher = p->publisher;
        if (publisher_cluster(p->publisher, CLUSTER_TIMEOUT_MS, &cluster, e) < 0)
                return -1;
        snprintf(p->cluster, sizeof p->cluster, "%s", cluster);
        if (p->consumer)
                return 0;
        if (kafka_options_of(s, p->owner, storage, PROPERTIES_MAX, &o, e) < 0)
                return -1;
        struct kafka_consumer_options c = {
                .group = p->group,
                .topics = p->topic ? &p->topic : topics,
                .n_topics = p->topic ? 1 : s->n_intakes,
                .session_timeout_ms = (int)s->kafka.session_timeout_ms,
                .poll_max_ms = poll_max_ms(p),
                .prefetch_max_bytes = share(p, PREFETCH_MAX),
                .events = { p, pump_assigned, pump_revoked },
                .searches = p->searches,
        };
        return kafka_consumer_new(&o, &c, &p->consumer, e);
}

void pump_close_consumer(struct pump *p)
{
        kafka_consumer_free(TAKE(p->consumer));
        for (size_t i = 0; i < p->sources.n; i++)
                p->sources.list[i].owned = p->sources.list[i].leaving = p->sources.list[i].stopped =
                        p->recover[i] = false;
}

void pump_close_publisher(struct pump *p)
{
        outbox_reset(&p->outbox);
        publisher_free(TAKE(p->publisher));
        p->outbox.publisher = NULL;
}

void pump_close(struct pump *p)
{
        if (p->db && db_alive(p->db))
                presence_leave(p->db, p->owner);
        pump_close_consumer(p);
        pump_close_publisher(p);
        pump_close_database(p);
        actor_deinit(&p->actor);
        runs_free(p->runs);
        kafka_searches_free(p->searches);
        schema_ids_free(p->schema_ids);
        codec_free(p->codec);
        db_params_free(p->transactor.params);
        arena_free(p->batch.arena);
        free(p->sources.list);
        free(p->recover);
        free(p->resume_ms);
        free(p->messages);
}
