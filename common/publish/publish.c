/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes messages and sends them. */
#include "publish/publish.h"

#include "codec/cloudevents.h"
#include "kafka/kafka.h"
#include "publish/kafka_options.h"
#include "publish/throttle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        MESSAGE_MAX = 2 * 1024 * 1024,
        PROPERTIES_MAX = 64,
        HEADER_BYTES = 160,
        ASK_AGAIN_MS = 1000
};

struct publisher {
        const struct service *service;
        char *source;
        publish_acked acked;
        void *ctx;
        struct kafka_producer *producer;
        struct throttle *throttle; /* NULL: no limit */
        struct buf message;        /* reused for each encoding */
        char cluster[KAFKA_CLUSTER_ID_MAX];
        int64_t ask_ms[LANE_COUNT]; /* not before: for the number of partitions */
};

static void delivered(void *ctx, uint64_t token, const char *topic, int32_t partition,
                      int64_t offset, const struct err *e)
{
        struct publisher *p = ctx;
        throttle_delivered(p->throttle, topic, partition, offset, !e);
        if (p->acked)
                p->acked(p->ctx, token, e);
}

int publisher_new(const struct publisher_options *o, struct publisher **ret, struct err *e)
{
        struct publisher *p CLEANUP(publisher_cleanup) = calloc(1, sizeof *p);
        struct kafka_property storage[PROPERTIES_MAX];
        struct kafka_options k;
        if (!p)
                return err_oom(e);
        p->service = o->service;
        p->acked = o->acked;
        p->ctx = o->ctx;
        buf_init(&p->message, MESSAGE_MAX);
        p->source = strdup(o->source);
        if (!p->source)
                return err_oom(e);
        if (throttle_new(o->service, o->exempt_topic, o->client_id, &p->throttle, e) < 0 ||
            kafka_options_of(o->service, o->client_id, storage, PROPERTIES_MAX, &k, e) < 0)
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
        throttle_free(p->throttle);
        buf_deinit(&p->message);
        free(p->source);
        free(p);
}

/* ---- sending ---- */

struct envelope {
        const char *topic;
        struct span key;
        enum message_kind kind;
        struct uuid id, trace;
        uint64_t token;
};

/* Sends the content of p->message. */
static int send_message(struct publisher *p, const struct envelope *v, struct err *e)
{
        struct event_headers h;
        struct kafka_header headers[EVENT_HEADERS];
        if (p->message.oom)
                return err_oom(e);
        if (p->message.failed)
                return err_set(e, ERR_INPUT, "", "%s: the message is larger than %d bytes",
                               message_name(v->kind), MESSAGE_MAX);
        event_headers(v->kind, v->id, v->trace, p->source, &h);
        for (size_t i = 0; i < h.count; i++)
                headers[i] = (struct kafka_header){ h.list[i].name, h.list[i].value };
        struct kafka_record r = { .topic = v->topic,
                                  .key = v->key,
                                  .value = { buf_str(&p->message), p->message.len },
                                  .headers = headers,
                                  .n_headers = h.count,
                                  .token = v->token };
        int rc = kafka_produce(p->producer, &r, e);
        if (rc < 0)
                return -1;
        if (rc == KAFKA_WAIT)
                return PUBLISH_WAIT;
        throttle_sent(p->throttle, v->topic, p->message.len + v->key.len + HEADER_BYTES);
        return PUBLISH_QUEUED;
}

/* Ad-hoc tasks have a trace; a run's would be its id, which its messages have. */
static struct uuid trace_of(struct uuid run_id, struct uuid task_id)
{
        return uuid_is_nil(run_id) ? task_id : (struct uuid){ { 0 } };
}

int publish_task(struct publisher *p, const struct task *m, enum lane lane, uint64_t token,
                 struct err *e)
{
        const char *topic = p->service->topics[lane];
        if (throttle_blocks(p->throttle, topic))
                return PUBLISH_WAIT;
        buf_reset(&p->message);
        task_encode(m, &p->message);
        struct envelope v = {
                topic, m->subject, MESSAGE_TASK, m->task_id, trace_of(m->run_id, m->task_id), token
        };
        return send_message(p, &v, e);
}

int publish_outcome(struct publisher *p, const struct outcome_event *m, uint64_t token,
                    struct err *e)
{
        if (throttle_blocks(p->throttle, p->service->topic_results))
                return PUBLISH_WAIT;
        buf_reset(&p->message);
        outcome_encode(m, &p->message);
        struct envelope v = {
                p->service->topic_results,       m->subject, MESSAGE_OUTCOME, m->event_id,
                trace_of(m->run_id, m->task_id), token
        };
        return send_message(p, &v, e);
}

int publish_run(struct publisher *p, const struct run_event *m, uint64_t token, struct err *e)
{
        char key[512];
        int n = snprintf(key, sizeof key, "%.*s.%.*s", SPAN_FMT(m->pack), SPAN_FMT(m->job));
        struct span name = { key, n < (int)sizeof key ? (size_t)n : sizeof key - 1 };
        buf_reset(&p->message);
        run_encode(m, &p->message);
        struct envelope v = {
                p->service->topics[LANE_JOBS], name, MESSAGE_RUN, m->event_id, m->run_id, token
        };
        return send_message(p, &v, e);
}

int publish_dead_letter_event(struct publisher *p, const struct dead_letter *m, uint64_t token,
                              struct err *e)
{
        char key[512];
        int n = snprintf(key, sizeof key, "%.*s/%d", SPAN_FMT(m->topic), (int)m->partition);
        struct span name = { key, n < (int)sizeof key ? (size_t)n : sizeof key - 1 };
        buf_reset(&p->message);
        dead_letter_encode(m, &p->message);
        struct envelope v = { p->service->topic_dead_letters,
                              name,
                              MESSAGE_DEAD_LETTER,
                              m->event_id,
                              m->event_id,
                              token };
        return send_message(p, &v, e);
}

int publisher_partitions(struct publisher *p, enum lane lane, int timeout_ms)
{
        bool may_ask = monotonic_ms() >= p->ask_ms[lane];
        int n = kafka_partitions_used(p->producer, p->service->topics[lane],
                                      may_ask ? timeout_ms : 0);
        if (!n && may_ask)
                p->ask_ms[lane] = monotonic_ms() + ASK_AGAIN_MS;
        return n;
}

/* ---- acknowledgements ---- */

void publisher_poll(struct publisher *p, int timeout_ms)
{
        struct err ignored = ERR_INIT;
        const char *cluster = NULL;
        bool waiting = throttle_is_waiting(p->throttle);
        if (waiting && timeout_ms > THROTTLE_REFRESH_MS)
                timeout_ms = THROTTLE_REFRESH_MS;
        kafka_producer_poll(p->producer, timeout_ms);
        if (waiting && publisher_cluster(p, 0, &cluster, &ignored) == 0)
                throttle_refresh(p->throttle, cluster);
}

bool publisher_flush(struct publisher *p, int timeout_ms)
{
        return kafka_flush(p->producer, timeout_ms);
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

bool publisher_broker_restarted(const struct publisher *p)
{
        return kafka_producer_broker_restarted(p->producer);
}
