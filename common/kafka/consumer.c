/* SPDX-License-Identifier: Apache-2.0 */
/* Creates the consumer, and what its callers do besides polling: seek, pause, commit, ask. */
#include "kafka/consumer.h"

#include "kafka/assignment.h"
#include "kafka/opened.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
        SEEK_TIMEOUT_MS = 5000,
        PREFETCH_MIN_BYTES = 1024 * 1024,
        FETCH_MIN_BYTES = 1024 * 1024, /* not less than message.max.bytes */
        /* librdkafka's own memory for a prefetched message: bounds the count, for small ones */
        MESSAGE_OVERHEAD = 512,
        SESSION_MS = 10000,
        /* librdkafka waits so long for a lost answer to a join, and a rebalance for a member that
           is stuck; its default is five minutes */
        POLL_MAX_MS = 30000,
        /* The mock cluster's rebalance takes a second less than that. Before 2.6 its first one
         * takes 3 s and forgets, without an answer, members with a shorter session. */
        EMBEDDED_SESSION_MS = RD_KAFKA_VERSION >= 0x020600ff ? 2000 : 3500,
};

/* ---- life ---- */

bool kafka_consumer_broker_restarted(const struct kafka_consumer *c)
{
        return embedded_restarted(c->embedded, &c->address);
}

static void on_error(rd_kafka_t *rk, int number, const char *reason, void *opaque)
{
        struct kafka_consumer *c = opaque;
        rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)number;
        char fatal[512];
        switch (code) {
        case RD_KAFKA_RESP_ERR__FATAL:
                code = rd_kafka_fatal_error(rk, fatal, sizeof fatal);
                err_set(&c->pending, ERR_FATAL, rd_kafka_err2name(code), "kafka consumer: %s",
                        fatal);
                break;
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__RESOLVE:
        case RD_KAFKA_RESP_ERR__TIMED_OUT: /* of one broker: it matters if it was the last */
                snprintf(c->detail, sizeof c->detail, "%s", reason);
                break;
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
                if (kafka_consumer_broker_restarted(c))
                        err_set(&c->pending, ERR_FATAL, rd_kafka_err2name(code),
                                "the embedded broker was restarted");
                else
                        err_set(&c->pending, ERR_RETRY, rd_kafka_err2name(code), "%s: %s", reason,
                                c->detail);
                break;
        default:
                client_err(&c->pending, code, "kafka consumer: %s", reason);
        }
}

static int subscribe(struct kafka_consumer *c, const struct kafka_consumer_options *o,
                     struct err *e)
{
        rd_kafka_topic_partition_list_t *list CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new((int)o->n_topics);
        c->topics = calloc(o->n_topics + 1, sizeof *c->topics);
        if (!c->topics)
                return err_oom(e);
        for (; c->n_topics < o->n_topics; c->n_topics++) {
                const char *name = o->topics[c->n_topics];
                if (c->embedded && embedded_create_topic(&c->address, name, 0, e) < 0)
                        return -1;
                c->topics[c->n_topics] = strdup(name);
                if (!c->topics[c->n_topics])
                        return err_oom(e);
                rd_kafka_topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
        }
        rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, list);
        return code ? client_err(e, code, "joining the group %s", o->group) : 0;
}

static int connect_client(struct kafka_consumer *c, const struct kafka_options *o,
                          const struct kafka_consumer_options *co, struct err *e)
{
        size_t prefetch = co->prefetch_max_bytes < PREFETCH_MIN_BYTES ? PREFETCH_MIN_BYTES
                                                                      : co->prefetch_max_bytes;
        int session = co->session_timeout_ms > 0 ? co->session_timeout_ms : SESSION_MS;
        if (o->embedded)
                session = EMBEDDED_SESSION_MS;
        int64_t poll = co->poll_max_ms > POLL_MAX_MS ? co->poll_max_ms : POLL_MAX_MS;
        char kbytes[24], count[24], fetch[24], receive[24], session_ms[24], heartbeat_ms[24],
                poll_ms[24];
        c->prefetch_bytes = prefetch;
        c->prefetch_count = prefetch / MESSAGE_OVERHEAD;
        snprintf(kbytes, sizeof kbytes, "%zu", prefetch / 1024);
        snprintf(count, sizeof count, "%zu", c->prefetch_count);
        /* on top of what is queued */
        snprintf(fetch, sizeof fetch, "%zu",
                 prefetch / 2 < FETCH_MIN_BYTES ? FETCH_MIN_BYTES : prefetch / 2);
        snprintf(receive, sizeof receive, "%zu", opened_max());
        snprintf(session_ms, sizeof session_ms, "%d", session);
        snprintf(heartbeat_ms, sizeof heartbeat_ms, "%d",
                 session / 10 > 3000 ? 3000 : session / 10 + 1);
        snprintf(poll_ms, sizeof poll_ms, "%lld", (long long)(poll > session ? poll : session));
        const struct client_setting settings[] = {
                { "group.id", co->group, false },
                { "enable.auto.commit", "false", false },
                { "enable.auto.offset.store", "false", false },
                { "auto.offset.reset", "error", false },   /* never a silent jump */
                { "enable.partition.eof", "true", false }, /* see batch_end.h */
                { "partition.assignment.strategy", "roundrobin", false },
                { "session.timeout.ms", session_ms, false },
                { "max.poll.interval.ms", poll_ms, false },
                { "heartbeat.interval.ms", heartbeat_ms, false },
                { "queued.max.messages.kbytes", kbytes, false },
                { "queued.min.messages", count, false },
                { "fetch.max.bytes", fetch, false },
                { "receive.message.max.bytes", receive, false }, /* also what zstd may open to */
                /* small: compressed messages grow when they arrive */
                { "fetch.message.max.bytes", "262144", false },
                /* the mock cluster wakes a waiting fetch only at its deadline */
                { "fetch.wait.max.ms", o->embedded ? "10" : "500", false },
                { "fetch.error.backoff.ms", "100", false },
                /* else a full queue stops the fetching for a second; see poll.c */
                { "fetch.queue.backoff.ms", "5", true },
        };
        rd_kafka_conf_t *conf;
        if (client_conf(o, settings, ARRAY_LEN(settings), &c->address, &conf, e) < 0)
                return -1;
        rd_kafka_conf_set_opaque(conf, c);
        rd_kafka_conf_set_rebalance_cb(conf, assignment_callback);
        rd_kafka_conf_set_error_cb(conf, on_error);
        if (client_new(RD_KAFKA_CONSUMER, conf, &c->rk, e) < 0)
                return -1;
        rd_kafka_poll_set_consumer(c->rk);
        c->queue = rd_kafka_queue_get_consumer(c->rk);
        return 0;
}

int kafka_consumer_new(const struct kafka_options *o, const struct kafka_consumer_options *co,
                       struct kafka_consumer **ret, struct err *e)
{
        struct kafka_consumer *c = calloc(1, sizeof *c);
        if (!c)
                return err_oom(e);
        c->events = co->events;
        c->searches = co->searches;
        c->embedded = o->embedded ? strdup(o->embedded) : NULL;
        if (connect_client(c, o, co, e) < 0 || subscribe(c, co, e) < 0) {
                kafka_consumer_free(c);
                return -1;
        }
        *ret = c;
        return 0;
}

void kafka_consumer_free(struct kafka_consumer *c)
{
        if (!c)
                return;
        if (c->rk) {
                bool left = assignment_close(c);
                rd_kafka_queue_destroy(c->queue);
                rd_kafka_destroy_flags(c->rk, left ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
        for (size_t i = 0; i < c->n_topics; i++)
                free(c->topics[i]);
        free(c->topics);
        free(c->batch);
        free(c->embedded);
        free(c);
}

int kafka_watermarks(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t *low,
                     int64_t *high, int timeout_ms, struct err *e)
{
        if (client_offsets(c->rk, topic, partition, 1, RD_KAFKA_OFFSET_BEGINNING, low, timeout_ms,
                           e) < 0)
                return -1;
        return client_offsets(c->rk, topic, partition, 1, RD_KAFKA_OFFSET_END, high, timeout_ms, e);
}

/* ---- positions ---- */

int consumer_seek(struct kafka_consumer *c, struct slot *s, int64_t offset, struct err *e)
{
        rd_kafka_topic_partition_list_t *list CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, s->topic,
                                                                          s->partition);
        int64_t until = monotonic_ms() + SEEK_TIMEOUT_MS;
        for (;;) {
                p->offset = offset;
                rd_kafka_error_t *error = rd_kafka_seek_partitions(c->rk, list, SEEK_TIMEOUT_MS);
                rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : p->err;
                if (error)
                        rd_kafka_error_destroy(error);
                if (!code)
                        return 0;
                /* Just after an assignment the fetching has not begun yet, or the previous one has
                 * not ended. */
                bool starting = code == RD_KAFKA_RESP_ERR__STATE ||
                                code == RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS;
                if (!starting || monotonic_ms() >= until)
                        return client_err(e, code, "%s [%d]: seek to %lld", s->topic,
                                          (int)s->partition, (long long)offset);
                nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000000 }, NULL);
        }
}

int kafka_seek(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t offset,
               struct err *e)
{
        struct slot *s = assignment_find(c, topic, partition);
        if (!s)
                return err_set(e, ERR_RETRY, "_STATE", "%s [%d] is not assigned", topic,
                               (int)partition);
        if (consumer_seek(c, s, offset, e) < 0)
                return -1;
        s->next = offset;
        s->unreadable = (struct unreadable){ .polled = c->polled };
        return 0;
}

int kafka_pause_partition(struct kafka_consumer *c, const char *topic, int32_t partition,
                          bool pause, struct err *e)
{
        struct slot *s = assignment_find(c, topic, partition);
        if (!s)
                return 0;
        s->pause_requested = pause;
        return assignment_apply_pause(c, e);
}

void kafka_commit_async(struct kafka_consumer *c, const struct kafka_partition *list, size_t n)
{
        if (!n)
                return;
        rd_kafka_topic_partition_list_t *offsets CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new((int)n);
        for (size_t i = 0; i < n; i++)
                rd_kafka_topic_partition_list_add(offsets, list[i].topic, list[i].partition)
                        ->offset = list[i].offset;
        rd_kafka_commit(c->rk, offsets, 1);
}

int kafka_topic_partitions(struct kafka_consumer *c, const char *topic, int timeout_ms,
                           struct err *e)
{
        return client_partitions(c->rk, NULL, topic, timeout_ms, e);
}

const char *kafka_consumer_cluster(struct kafka_consumer *c, int timeout_ms)
{
        if (c->embedded)
                return c->address.cluster;
        return client_cluster(c->rk, timeout_ms, c->cluster) ? c->cluster : NULL;
}
