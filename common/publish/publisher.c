#include "publish/publish.h"

#include "codec/cloudevents.h"
#include "kafka/kafka.h"
#include "publish/in_flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        MESSAGE_MAX = 2 * 1024 * 1024,
        PROPERTIES_MAX = 64,
        TOPICS = LANE_COUNT + 1,
        RESULTS = LANE_COUNT,
        REFRESH_MS = 20,
        HEADER_BYTES = 320
};

struct publisher {
        const struct service *service;
        struct publisher_options o;
        char *source;
        struct kafka_producer *producer;
        struct buf message;              /* reused for each encoding */
        struct in_flight topics[TOPICS]; /* the lanes and results: what somebody of ours consumes */
        uint64_t limit;                  /* 0: none */
        int64_t refreshed_ms;
        bool held; /* the limit has been met since the last refresh */
        char cluster[KAFKA_CLUSTER_ID_MAX];
};

static struct in_flight *topic_of(struct publisher *p, const char *topic)
{
        for (size_t i = 0; i < TOPICS; i++)
                if (strcmp(p->topics[i].topic, topic) == 0)
                        return &p->topics[i];
        return NULL;
}

static void delivered(void *ctx, uint64_t token, const char *topic, int32_t partition,
                      int64_t offset, const struct err *e)
{
        struct publisher *p = ctx;
        struct in_flight *f = p->limit ? topic_of(p, topic) : NULL;
        if (f && e)
                in_flight_dropped(f);
        else if (f)
                in_flight_acked(f, partition, offset);
        if (p->o.acked)
                p->o.acked(p->o.ctx, token, e);
}

int publisher_new(const struct publisher_options *o, struct publisher **ret, struct err *e)
{
        struct publisher *p CLEANUP(publisher_cleanup) = calloc(1, sizeof *p);
        struct kafka_property storage[PROPERTIES_MAX];
        struct kafka_options k;
        if (!p)
                return err_oom(e);
        p->service = o->service;
        p->o = *o;
        p->limit = (uint64_t)o->service->kafka.in_flight_max_bytes;
        buf_init(&p->message, MESSAGE_MAX);
        for (size_t i = 0; i < LANE_COUNT; i++)
                p->topics[i].topic = o->service->topics[i];
        p->topics[RESULTS].topic = o->service->topic_results;
        p->source = strdup(o->source);
        if (!p->source)
                return err_oom(e);
        if (kafka_options_of(o->service, o->client_id, storage, PROPERTIES_MAX, &k, e) < 0)
                return -1;
        k.no_linger = o->no_linger;
        if (kafka_producer_new(&k, o->queue_max_bytes, delivered, p, &p->producer, e) < 0)
                return -1;
        *ret = TAKE(p);
        return 0;
}

void publisher_free(struct publisher *p)
{
        if (!p)
                return;
        kafka_producer_free(p->producer);
        for (size_t i = 0; i < TOPICS; i++)
                in_flight_deinit(&p->topics[i]);
        buf_deinit(&p->message);
        free(p->source);
        free(p);
}

/* ---- sending ---- */

struct envelope {
        const char *topic;
        struct span key, subject;
        enum message_kind kind;
        struct uuid id, trace;
        instant at;
        uint64_t token;
};

static bool held_back(struct publisher *p, struct in_flight *f)
{
        if (!p->limit || in_flight_bytes(f) < p->limit ||
            (p->o.exempt_topic && strcmp(p->o.exempt_topic, f->topic) == 0))
                return false;
        p->held = true;
        return true;
}

/* Sends what p->message holds. */
static int send(struct publisher *p, const struct envelope *v, struct err *e)
{
        struct in_flight *f = p->limit ? topic_of(p, v->topic) : NULL;
        struct event_headers h;
        struct kafka_header headers[EVENT_HEADERS];
        if (p->message.oom)
                return err_oom(e);
        if (p->message.failed)
                return err_set(e, ERR_INPUT, "", "%s: the message is larger than %d bytes",
                               message_name(v->kind), MESSAGE_MAX);
        event_headers(v->kind, v->id, v->trace, p->source, v->at, v->subject, &h);
        for (size_t i = 0; i < h.count; i++)
                headers[i] = (struct kafka_header){ h.list[i].name, h.list[i].value };
        struct kafka_record r = { .topic = v->topic,
                                  .key = v->key,
                                  .value = { buf_str(&p->message), p->message.len },
                                  .headers = headers,
                                  .n_headers = h.count,
                                  .token = v->token };
        int rc = kafka_produce(p->producer, &r, e);
        if (rc == 0 && f)
                in_flight_sent(f, p->message.len + v->key.len + HEADER_BYTES);
        return rc;
}

int publish_task(struct publisher *p, const struct task *m, enum lane lane, uint64_t token,
                 struct err *e)
{
        const char *topic = p->service->topics[lane];
        if (held_back(p, &p->topics[lane]))
                return 1;
        buf_reset(&p->message);
        task_encode(m, &p->message);
        struct envelope v = { topic,           m->subject,
                              m->subject,      MESSAGE_TASK,
                              m->task_id,      uuid_is_nil(m->run_id) ? m->task_id : m->run_id,
                              m->scheduled_at, token };
        return send(p, &v, e);
}

int publish_outcome(struct publisher *p, const struct outcome_event *m, uint64_t token,
                    struct err *e)
{
        if (held_back(p, &p->topics[RESULTS]))
                return 1;
        buf_reset(&p->message);
        outcome_encode(m, &p->message);
        struct envelope v = { p->service->topic_results,
                              m->subject,
                              m->subject,
                              MESSAGE_OUTCOME,
                              m->event_id,
                              uuid_is_nil(m->run_id) ? m->task_id : m->run_id,
                              m->at,
                              token };
        return send(p, &v, e);
}

int publish_run(struct publisher *p, const struct run_event *m, uint64_t token, struct err *e)
{
        char key[512];
        int n = snprintf(key, sizeof key, "%.*s.%.*s", SPAN_FMT(m->pack), SPAN_FMT(m->job));
        struct span name = { key, n < (int)sizeof key ? (size_t)n : sizeof key - 1 };
        buf_reset(&p->message);
        run_encode(m, &p->message);
        struct envelope v = { p->service->topics[LANE_JOBS],
                              name,
                              name,
                              MESSAGE_RUN,
                              m->event_id,
                              m->run_id,
                              m->at,
                              token };
        return send(p, &v, e);
}

int publish_dead_letter(struct publisher *p, const struct dead_letter *m, uint64_t token,
                        struct err *e)
{
        char key[512];
        int n = snprintf(key, sizeof key, "%.*s/%d", SPAN_FMT(m->topic), (int)m->partition);
        struct span name = { key, n < (int)sizeof key ? (size_t)n : sizeof key - 1 };
        buf_reset(&p->message);
        dead_letter_encode(m, &p->message);
        struct envelope v = { p->service->topic_dead_letters,
                              name,
                              name,
                              MESSAGE_DEAD_LETTER,
                              m->event_id,
                              m->event_id,
                              m->at,
                              token };
        return send(p, &v, e);
}

/* ---- waiting ---- */

/* Reads how far our topics have been consumed. A database that is away changes nothing: publishing
 * goes on waiting. */
static void refresh(struct publisher *p)
{
        struct err ignored = ERR_INIT;
        const char *cluster = NULL;
        struct db *d = p->o.database ? p->o.database(p->o.ctx) : NULL;
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(4096);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!d || !q || publisher_cluster(p, 0, &cluster, &ignored) < 0)
                return;
        db_add_str(q, cluster);
        if (db_query(d, "select topic, partition, next from rollcall.position where cluster = $1",
                     q, &r, &ignored) < 0)
                return;
        for (int row = 0; row < db_rows(r); row++) {
                struct in_flight *f = topic_of(p, db_str(r, row, 0));
                if (f)
                        in_flight_consumed(f, (int32_t)db_int(r, row, 1), db_int(r, row, 2));
        }
        p->held = false;
}

int publisher_poll(struct publisher *p, int timeout_ms, struct err *e)
{
        (void)e;
        if (p->held && timeout_ms > REFRESH_MS)
                timeout_ms = REFRESH_MS;
        kafka_producer_poll(p->producer, timeout_ms);
        if (p->held && monotonic_ms() - p->refreshed_ms >= REFRESH_MS) {
                p->refreshed_ms = monotonic_ms();
                refresh(p);
        }
        return 0;
}

int publisher_flush(struct publisher *p, int timeout_ms, struct err *e)
{
        (void)e;
        return kafka_flush(p->producer, timeout_ms) ? 0 : 1;
}

size_t publisher_unacked(const struct publisher *p)
{
        return kafka_unacked(p->producer);
}

struct kafka_producer *publisher_client(struct publisher *p)
{
        return p->producer;
}

int publisher_cluster(struct publisher *p, int timeout_ms, const char **ret, struct err *e)
{
        if (!p->cluster[0]) {
                const char *id = kafka_producer_cluster(p->producer, timeout_ms);
                if (!id)
                        return err_set(e, ERR_RETRY, "", "no Kafka broker answers (%s)",
                                       p->service->kafka.embedded ? p->service->kafka.embedded
                                                                  : p->service->kafka.brokers);
                snprintf(p->cluster, sizeof p->cluster, "%s", id);
        }
        *ret = p->cluster;
        return 0;
}
