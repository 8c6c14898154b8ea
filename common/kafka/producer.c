/* SPDX-License-Identifier: Apache-2.0 */
/* The idempotent producer, and the choice of a record's partition. */
#include "kafka/producer.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        /* room for the largest message that a broker takes by default */
        QUEUE_MIN_BYTES = 2 * 1024 * 1024,
        /* librdkafka's own memory for a message and its headers: bounds the count of small ones */
        MESSAGE_OVERHEAD = 1024,
        HEADERS_MAX = 16,
        FORGET_MS = 10 * 60 * 1000,
};

/*
 * Of what a producer sends to a partition nothing overtakes a message that was refused: the broker
 * accepts only the sequence number that is next. But it knows none before it has accepted one
 * (KIP-360), and forgets it after a time (producer.id.expiration.ms, a day): the first message of a
 * partition goes alone. Readers take lower numbers of ours for repetitions.
 */
static void note_first(struct kafka_producer *p, const rd_kafka_message_t *m)
{
        for (size_t i = 0; i < p->n_topics; i++) {
                struct producer_topic *t = &p->topics[i];
                if (t->rkt != m->rkt)
                        continue;
                t->unplaced = false;
                if (m->partition < 0 || m->partition >= t->n_firsts)
                        return;
                enum first now = m->err ? FIRST_MISSING : FIRST_ACCEPTED;
                if (t->firsts[m->partition] == FIRST_SENT) {
                        p->firsts_sent--;
                        if (p->polling)
                                rd_kafka_yield(p->rk);
                }
                t->firsts_left += (t->firsts[m->partition] == FIRST_ACCEPTED) -
                                  (now == FIRST_ACCEPTED);
                t->firsts[m->partition] = now;
                return;
        }
}

/* A producer that was idle may be one that the broker has forgotten. */
static void forget_firsts(struct kafka_producer *p)
{
        if (p->unacked > 0 || !p->idle_ms || monotonic_ms() - p->idle_ms < FORGET_MS)
                return;
        for (size_t i = 0; i < p->n_topics; i++)
                p->topics[i].n_firsts = 0;
        p->idle_ms = 0;
        p->firsts_sent = 0;
}

/* 0, or KAFKA_WAIT; `ret_first`: the state of the partition whose first message it is, or NULL. */
static int wait_for_first(struct kafka_producer *p, struct producer_topic *t, struct span key,
                          enum first **ret_first, struct err *e)
{
        int used = t->partitions->used;
        *ret_first = NULL;
        forget_firsts(p);
        if (t->unplaced)
                return KAFKA_WAIT;
        t->unplaced = used == 0;
        if (used > t->n_firsts) {
                enum first *grown = reallocarray(t->firsts, (size_t)used, sizeof *grown);
                if (!grown)
                        return err_oom(e);
                t->firsts = grown;
                memset(grown, 0, (size_t)used * sizeof *grown);
                t->n_firsts = t->firsts_left = used;
        }
        if (!t->firsts_left)
                return 0;
        enum first *f = &t->firsts[kafka_partition_of(key, used)];
        if (*f == FIRST_SENT)
                return KAFKA_WAIT;
        *ret_first = *f == FIRST_MISSING ? f : NULL;
        return 0;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
        (void)rk;
        struct kafka_producer *p = opaque;
        p->unacked--;
        if (p->unacked == 0)
                p->idle_ms = monotonic_ms();
        note_first(p, m);
        if (!p->delivered)
                return;
        const char *topic = rd_kafka_topic_name(m->rkt);
        struct err e = ERR_INIT;
        if (m->err)
                client_err(&e, m->err, "message for %s was not acknowledged", topic);
        p->delivered(p->ctx, (uint64_t)(uintptr_t)m->_private, topic, m->partition, m->offset,
                     m->err ? &e : NULL);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
        (void)opaque;
        enum log_level level = code == RD_KAFKA_RESP_ERR__TRANSPORT ||
                                               code == RD_KAFKA_RESP_ERR__RESOLVE
                                       ? LOG_LEVEL_DEBUG
                                       : LOG_LEVEL_WARN;
        log_write(level, "kafka producer", "client=%s code=%s text=" LOG_Q, rd_kafka_name(rk),
                  rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

int kafka_producer_new(const struct kafka_options *o, size_t max_bytes, kafka_delivered delivered,
                       void *ctx, struct kafka_producer **ret, struct err *e)
{
        char kbytes[24], messages[24];
        if (max_bytes < QUEUE_MIN_BYTES)
                max_bytes = QUEUE_MIN_BYTES;
        snprintf(kbytes, sizeof kbytes, "%zu", max_bytes / 1024);
        snprintf(messages, sizeof messages, "%zu", max_bytes / MESSAGE_OVERHEAD);
        const struct client_setting settings[] = {
                { "enable.idempotence", "true", false },
                /* after a message that was not accepted no later one is: see note_first */
                { "enable.gapless.guarantee", "true", false },
                { "message.timeout.ms", "0", false },
                { "acks", "all", false },
                /* halves the load of broker and network, and costs less than that here */
                { "compression.type", "lz4", false },
                { "linger.ms", o->no_linger ? "0" : "5", false },
                { "queue.buffering.max.kbytes", kbytes, false },
                { "queue.buffering.max.messages", messages, false },
        };
        struct kafka_producer *p = calloc(1, sizeof *p);
        if (!p)
                return err_oom(e);
        p->delivered = delivered;
        p->ctx = ctx;
        p->embedded = o->embedded ? strdup(o->embedded) : NULL;
        p->partitions = o->partitions;
        rd_kafka_conf_t *conf;
        int rc = client_conf(o, settings, ARRAY_LEN(settings), &p->address, &conf, e);
        if (rc == 0) {
                rd_kafka_conf_set_opaque(conf, p);
                rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
                rd_kafka_conf_set_error_cb(conf, on_error);
                rc = client_new(RD_KAFKA_PRODUCER, conf, &p->rk, e);
        }
        if (rc < 0) {
                free(p->embedded);
                free(p);
                return -1;
        }
        *ret = p;
        return 0;
}

void kafka_producer_free(struct kafka_producer *p)
{
        if (!p)
                return;
        p->delivered = NULL;
        rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                      RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_poll(p->rk, 0);
        for (size_t i = 0; i < p->n_topics; i++)
                rd_kafka_topic_destroy(p->topics[i].rkt);
        rd_kafka_destroy(p->rk);
        for (size_t i = 0; i < p->n_topics; i++) {
                free(p->topics[i].name);
                free(p->topics[i].partitions);
                free(p->topics[i].firsts);
        }
        free(p->topics);
        free(p->embedded);
        free(p);
}

/* ---- which partition ---- */

int32_t kafka_partition_of(struct span key, int32_t partitions)
{
        return rd_kafka_msg_partitioner_murmur2(NULL, key.ptr, key.len, partitions, NULL, NULL);
}

/* Among how many of the topic's `count` partitions its keys are distributed. */
static int fix_partitions(struct topic_partitions *s, int count)
{
        int used = 0, first = s->wanted > 0 && s->wanted < count ? s->wanted : count;
        s->found = count;
        if (atomic_compare_exchange_strong(&s->used, &used, first))
                used = first;
        return used < count ? used : count;
}

static int32_t choose_partition(const rd_kafka_topic_t *rkt, const void *key, size_t len,
                                int32_t count, void *opaque, void *message)
{
        return rd_kafka_msg_partitioner_murmur2_random(rkt, key, len, fix_partitions(opaque, count),
                                                       NULL, message);
}

static void log_partition_count(struct producer_topic *t)
{
        struct topic_partitions *s = t->partitions;
        int found = s->found, used = s->used;
        if (found == s->logged)
                return;
        if (found > used)
                log_warn("topic has more partitions than kafka.partitions; the extra ones are not "
                         "used",
                         "topic=%s partitions=%d before=%d used=%d", t->name, found,
                         s->logged ? s->logged : used, used);
        else if (found < used)
                log_error("topic has fewer partitions than before: the order of the records of a "
                          "key is not kept",
                          "topic=%s partitions=%d before=%d", t->name, found, s->logged);
        s->logged = found;
}

/* ---- producing ---- */

static rd_kafka_topic_t *open_topic(struct kafka_producer *p, const char *name,
                                    struct topic_partitions *s)
{
        rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(p->rk);
        rd_kafka_topic_conf_set_partitioner_cb(conf, choose_partition);
        rd_kafka_topic_conf_set_opaque(conf, s);
        return rd_kafka_topic_new(p->rk, name, conf);
}

static int add_topic(struct kafka_producer *p, const char *name, struct err *e)
{
        if (p->embedded && embedded_create_topic(&p->address, name, 0, e) < 0)
                return -1;
        struct producer_topic *grown = reallocarray(p->topics, p->n_topics + 1, sizeof *grown);
        if (!grown)
                return err_oom(e);
        p->topics = grown;
        struct producer_topic t = { .name = strdup(name),
                                    .partitions = calloc(1, sizeof *t.partitions) };
        if (t.name && t.partitions) {
                t.partitions->wanted = p->partitions;
                t.rkt = open_topic(p, name, t.partitions);
        }
        if (!t.rkt) {
                int rc = t.name && t.partitions
                                 ? client_err(e, rd_kafka_last_error(), "topic %s", name)
                                 : err_oom(e);
                free(t.name);
                free(t.partitions);
                return rc;
        }
        p->latest = p->n_topics++;
        p->topics[p->latest] = t;
        return 0;
}

static rd_kafka_topic_t *topic_of(struct kafka_producer *p, const char *name, struct err *e)
{
        if (p->n_topics && strcmp(p->topics[p->latest].name, name) == 0)
                return p->topics[p->latest].rkt;
        for (size_t i = 0; i < p->n_topics; i++)
                if (strcmp(p->topics[i].name, name) == 0) {
                        p->latest = i;
                        return p->topics[i].rkt;
                }
        return add_topic(p, name, e) < 0 ? NULL : p->topics[p->latest].rkt;
}

int kafka_produce(struct kafka_producer *p, const struct kafka_record *r, struct err *e)
{
        enum { FIXED = 6 };
        rd_kafka_topic_t *rkt = topic_of(p, r->topic, e);
        if (!rkt)
                return -1;
        if (r->n_headers > HEADERS_MAX)
                return err_set(e, ERR_INPUT, "", "message for %s has %zu headers, more than %d",
                               r->topic, r->n_headers, HEADERS_MAX);
        enum first *first;
        int rc = wait_for_first(p, &p->topics[p->latest], r->key, &first, e);
        if (rc != 0)
                return rc;
        rd_kafka_vu_t v[FIXED + HEADERS_MAX];
        v[0] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = rkt };
        v[1] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA };
        v[2] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY };
        v[3] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_KEY,
                                .u.mem = { (void *)(uintptr_t)r->key.ptr, r->key.len } };
        v[4] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_VALUE,
                                .u.mem = { (void *)(uintptr_t)r->value.ptr, r->value.len } };
        v[5] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_OPAQUE,
                                .u.ptr = (void *)(uintptr_t)r->token };
        for (size_t i = 0; i < r->n_headers; i++) {
                rd_kafka_vu_t *h = &v[FIXED + i];
                h->vtype = RD_KAFKA_VTYPE_HEADER;
                h->u.header.name = r->headers[i].name;
                h->u.header.val = r->headers[i].value.ptr;
                h->u.header.size = (ssize_t)r->headers[i].value.len;
        }
        rd_kafka_error_t *error = rd_kafka_produceva(p->rk, v, FIXED + r->n_headers);
        log_partition_count(&p->topics[p->latest]);
        if (!error) {
                p->unacked++;
                if (first) {
                        *first = FIRST_SENT;
                        p->firsts_sent++;
                }
                return KAFKA_QUEUED;
        }
        p->topics[p->latest].unplaced = false;
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
                return KAFKA_WAIT;
        char fatal[512] = "";
        if (code == RD_KAFKA_RESP_ERR__FATAL)
                rd_kafka_fatal_error(p->rk, fatal, sizeof fatal);
        return client_err(e, code, "message for %s%s%s", r->topic, *fatal ? ": " : "", fatal);
}

/* A first message goes alone, so that nothing is gained by waiting for others: a flush does not. */
void kafka_producer_poll(struct kafka_producer *p, int timeout_ms)
{
        p->polling = timeout_ms > 0 && p->firsts_sent > 0;
        if (p->polling)
                rd_kafka_flush(p->rk, timeout_ms);
        else
                rd_kafka_poll(p->rk, timeout_ms);
        p->polling = false;
}

bool kafka_flush(struct kafka_producer *p, int timeout_ms)
{
        return rd_kafka_flush(p->rk, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

size_t kafka_unacked(const struct kafka_producer *p)
{
        return p->unacked;
}

const char *kafka_producer_cluster(struct kafka_producer *p, int timeout_ms)
{
        if (p->embedded)
                return p->address.cluster;
        return client_cluster(p->rk, timeout_ms, p->cluster) ? p->cluster : NULL;
}

bool kafka_producer_broker_restarted(const struct kafka_producer *p)
{
        return embedded_restarted(p->embedded, &p->address);
}

int producer_partitions(struct kafka_producer *p, const char *topic, bool all, int timeout_ms,
                        struct err *e)
{
        rd_kafka_topic_t *rkt = all ? NULL : topic_of(p, topic, e);
        return !all && !rkt ? -1 : client_partitions(p->rk, rkt, topic, timeout_ms, e);
}

int kafka_partition_count(struct kafka_producer *p, const char *topic, int timeout_ms,
                          struct err *e)
{
        int64_t until = monotonic_ms() + timeout_ms;
        for (;;) {
                int64_t left = until - monotonic_ms();
                int n = producer_partitions(p, topic, false, left > 100 ? (int)left : 100, e);
                if (n)
                        return n;
                if (monotonic_ms() >= until)
                        return err_set(e, ERR_RETRY, "UNKNOWN_TOPIC_OR_PART",
                                       "there is no topic %s: create it (rollcall topics apply)",
                                       topic);
                /* it takes a moment until a new topic is in the metadata */
                rd_kafka_poll(p->rk, 50);
        }
}

int kafka_partitions_used(struct kafka_producer *p, const char *topic, int timeout_ms)
{
        struct err ignored = ERR_INIT;
        if (!topic_of(p, topic, &ignored))
                return 0;
        struct topic_partitions *s = p->topics[p->latest].partitions;
        if (s->used)
                return fix_partitions(s, s->found);
        int n = timeout_ms > 0 ? producer_partitions(p, topic, false, timeout_ms, &ignored) : 0;
        return n > 0 ? fix_partitions(s, n) : 0;
}

int kafka_topic_watermarks(struct kafka_producer *p, const char *topic, int n, int64_t *low,
                           int64_t *high, int timeout_ms, struct err *e)
{
        if (client_offsets(p->rk, topic, 0, n, RD_KAFKA_OFFSET_BEGINNING, low, timeout_ms, e) < 0)
                return -1;
        return client_offsets(p->rk, topic, 0, n, RD_KAFKA_OFFSET_END, high, timeout_ms, e);
}
