#include "kafka/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
        LOOK_MS = 1000, /* between looks at the embedded broker's file while nothing comes */
        /* a caller that takes nothing for longer has its partitions paused, so that rebalances can
           be served */
        IDLE_GRACE_MS = 200,
        SEEK_TIMEOUT_MS = 5000,
        NUDGE_TIMEOUT_MS = 200,
        PREFETCH_MIN_BYTES = 1024 * 1024,
        FETCH_MIN_BYTES = 1024 * 1024, /* not less than message.max.bytes */
        /* librdkafka's own memory for a prefetched message: bounds the count, for small ones */
        MESSAGE_OVERHEAD = 512,
        SESSION_MS = 10000,
        /* librdkafka's five minutes are how long it would wait for a lost answer to a join, and a
           rebalance for a member that is stuck */
        POLL_MAX_MS = 30000,
        /* The mock cluster's rebalance takes a second less than that. Before 2.6 its first one
         * takes 3 s and forgets, without an answer, members with a shorter session. */
        EMBEDDED_SESSION_MS = RD_KAFKA_VERSION >= 0x020600ff ? 2000 : 3500,
};

/* ---- life ---- */

/* The embedded broker's end is final for its clients: another one has another port, and none of the
 * messages. */
bool kafka_consumer_replaced(const struct kafka_consumer *c)
{
        struct embedded_address now;
        return c->embedded && embedded_read(c->embedded, &now, NULL) == 0 &&
               strcmp(now.cluster, c->address.cluster) != 0;
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
        case RD_KAFKA_RESP_ERR__TIMED_OUT: /* of one broker: it matters when it was the last */
                snprintf(c->detail, sizeof c->detail, "%s", reason);
                break;
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
                if (kafka_consumer_replaced(c))
                        err_set(&c->pending, ERR_FATAL, rd_kafka_err2name(code),
                                "the embedded broker was replaced by another one: start again");
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
        TPLIST_CLEANUP rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
                (int)o->n_topics);
        c->topics = calloc(o->n_topics + 1, sizeof *c->topics);
        if (!c->topics)
                return err_oom(e);
        for (; c->n_topics < o->n_topics; c->n_topics++) {
                const char *name = o->topics[c->n_topics];
                if (c->embedded && embedded_topic(&c->address, name, 0, e) < 0)
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
                /* else a full queue stops the fetching for a second; see nudge */
                { "fetch.queue.backoff.ms", "5", true },
        };
        rd_kafka_conf_t *conf = client_conf(o, settings, ARRAY_LEN(settings), &c->address, e);
        if (!conf)
                return -1;
        rd_kafka_conf_set_opaque(conf, c);
        rd_kafka_conf_set_rebalance_cb(conf, assignment_callback);
        rd_kafka_conf_set_error_cb(conf, on_error);
        c->rk = client_new(RD_KAFKA_CONSUMER, conf, e);
        if (!c->rk)
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

/* ---- offsets ---- */

int kafka_watermarks(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t *low,
                     int64_t *high, int timeout_ms, struct err *e)
{
        if (client_offsets(c->rk, topic, partition, 1, RD_KAFKA_OFFSET_BEGINNING, low, timeout_ms,
                           e) < 0)
                return -1;
        return client_offsets(c->rk, topic, partition, 1, RD_KAFKA_OFFSET_END, high, timeout_ms, e);
}

/* ---- polling ---- */

static int give_pending(struct kafka_consumer *c, struct err *e)
{
        if (c->pending.class == ERR_NONE)
                return 0;
        if (e)
                *e = c->pending;
        c->pending = (struct err)ERR_INIT;
        return -1;
}

static void note_error(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
        if (unreadable_error(c, m))
                return;
        const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "";
        if (m->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
                client_err(&c->pending, m->err, "kafka consumer%s%s: %s", *topic ? ": " : "", topic,
                           rd_kafka_message_errstr(m));
                return;
        }
        const struct slot *s = assignment_of(c, m);
        int64_t low = -1, high = -1;
        (void)!kafka_watermarks(c, topic, m->partition, &low, &high, 2000, NULL);
        err_set(&c->pending, ERR_FATAL, "OFFSET_OUT_OF_RANGE",
                "%s [%d]: offset %lld is not on the broker, which has %lld up to %lld (exclusive): older messages were deleted, or the topic was made anew",
                topic, (int)m->partition, (long long)(s ? s->next : m->offset), (long long)low,
                (long long)high);
}

/* Moves what is wanted from c->batch to `list`, and destroys the rest. */
static size_t keep_wanted(struct kafka_consumer *c, size_t n, struct kafka_message *list)
{
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
                rd_kafka_message_t *m = c->batch[i];
                struct slot *s = m->err || !m->rkt ? NULL : assignment_of(c, m);
                if (!s || m->offset < s->next || unreadable_probed(c, m, s)) {
                        if (m->err)
                                note_error(c, m);
                        rd_kafka_message_destroy(m);
                        continue;
                }
                s->next = m->offset + 1;
                c->taken++;
                c->taken_bytes += m->len + m->key_len;
                rd_kafka_timestamp_type_t type;
                int64_t ms = rd_kafka_message_timestamp(m, &type);
                if (ms > s->newest)
                        s->newest = ms;
                list[kept++] = (struct kafka_message){
                        .topic = s->topic,
                        .partition = m->partition,
                        .offset = m->offset,
                        .timestamp = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? INSTANT_NONE
                                                                              : ms * INSTANT_MS,
                        .key = { m->key, m->key_len },
                        .value = { m->payload, m->len },
                        .handle = m,
                };
        }
        return kept;
}

/* What is there, at most `max`; waits only for the first. */
static size_t gather(struct kafka_consumer *c, int timeout_ms, size_t max)
{
        ssize_t n = rd_kafka_consume_batch_queue(c->queue, 0, c->batch, max);
        if (n > 0)
                return (size_t)n;
        if (c->offered)
                return 0;
        rd_kafka_message_t *first = rd_kafka_consumer_poll(c->rk, timeout_ms);
        if (!first)
                return 0;
        c->batch[0] = first;
        n = max > 1 ? rd_kafka_consume_batch_queue(c->queue, 0, c->batch + 1, max - 1) : 0;
        return 1 + (n > 0 ? (size_t)n : 0);
}

/*
 * Before 2.2 a broker's thread that found the queue full looks again only when something else wakes
 * it, or after a second: a consumer that takes the messages more slowly than they come would wait
 * out most of each second. A small request to the leaders wakes their threads.
 */
static void nudge(struct kafka_consumer *c)
{
        if (RD_KAFKA_VERSION >= 0x020200ff ||
            (c->taken < c->prefetch_count / 2 && c->taken_bytes < c->prefetch_bytes / 2))
                return;
        if (rd_kafka_queue_length(c->queue) > c->prefetch_count / 2 && c->taken < c->prefetch_count)
                return;
        c->taken = c->taken_bytes = 0;
        TPLIST_CLEANUP rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
                (int)c->n_slots);
        for (size_t i = 0; i < c->n_slots; i++)
                rd_kafka_topic_partition_list_add(list, c->slots[i].topic, c->slots[i].partition)
                        ->offset = RD_KAFKA_OFFSET_END;
        if (list->cnt)
                rd_kafka_offsets_for_times(c->rk, list, NUDGE_TIMEOUT_MS);
}

static int reserve(struct kafka_consumer *c, size_t max, struct err *e)
{
        if (max <= c->batch_cap)
                return 0;
        rd_kafka_message_t **grown = reallocarray(c->batch, max, sizeof(rd_kafka_message_t *));
        if (!grown)
                return err_oom(e);
        c->batch = grown;
        c->batch_cap = max;
        return 0;
}

/* The caller takes nothing: only events are served, which in the queue stand behind messages; a
 * pause drops those, to be fetched again. */
static int serve_idle(struct kafka_consumer *c, int timeout_ms, struct err *e)
{
        int64_t now = monotonic_ms();
        if (!c->idle_since)
                c->idle_since = now;
        if (!c->idle && c->n_slots && !c->paused && now - c->idle_since < IDLE_GRACE_MS) {
                int64_t ms = timeout_ms < IDLE_GRACE_MS ? timeout_ms : IDLE_GRACE_MS;
                nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
                return 0;
        }
        c->idle = true;
        if (assignment_apply_pause(c, e) < 0)
                return -1;
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, timeout_ms);
        if (!m)
                return 0;
        struct slot *s = m->err ? NULL : assignment_of(c, m);
        bool wanted = s && !unreadable_probed(c, m, s);
        int res = wanted ? kafka_seek(c, s->topic, s->partition, s->next, e) : 0;
        if (m->err)
                note_error(c, m);
        rd_kafka_message_destroy(m);
        return res;
}

static int wake(struct kafka_consumer *c, struct err *e)
{
        c->idle_since = 0;
        if (!c->idle)
                return 0;
        c->idle = false;
        return assignment_apply_pause(c, e);
}

/* Newer librdkafkas say only once that all brokers are down, which may be before another one has
 * taken the place. */
static void look_for_replacement(struct kafka_consumer *c)
{
        if (!c->embedded || monotonic_ms() < c->look_at)
                return;
        c->look_at = monotonic_ms() + LOOK_MS;
        if (kafka_consumer_replaced(c))
                err_set(&c->pending, ERR_FATAL, "",
                        "the embedded broker was replaced by another one: start again");
}

int kafka_poll(struct kafka_consumer *c, int timeout_ms, struct kafka_message *list, size_t max,
               struct err *e)
{
        size_t kept = 0;
        /* An offer that is refused again and again must not keep one who only serves the group from
         * doing so. */
        if (give_pending(c, e) < 0 || (max && assignment_take_up(c, e) < 0))
                return -1;
        if (c->offered && timeout_ms > c->offer_at - monotonic_ms())
                timeout_ms = c->offer_at > monotonic_ms() ? (int)(c->offer_at - monotonic_ms()) : 0;
        c->polled++;
        if (max == 0) {
                if (serve_idle(c, timeout_ms, e) < 0)
                        return -1;
        } else {
                if (wake(c, e) < 0 || reserve(c, max, e) < 0)
                        return -1;
                nudge(c);
                kept = keep_wanted(c, gather(c, timeout_ms, max), list);
                int more = unreadable_give(c, list, kept, max, e);
                if (more < 0)
                        return -1;
                kept = (size_t)more;
        }
        if (kept)
                return (int)kept;
        if (assignment_take_up(c, e) < 0)
                return -1;
        look_for_replacement(c);
        return give_pending(c, e);
}

struct span kafka_message_header(const struct kafka_message *m, const char *name)
{
        rd_kafka_headers_t *headers = NULL;
        const void *value = NULL;
        size_t len = 0;
        if (rd_kafka_message_headers(m->handle, &headers) ||
            rd_kafka_header_get_last(headers, name, &value, &len))
                return (struct span){ 0 };
        return (struct span){ value ? value : "", len };
}

void kafka_release(struct kafka_message *list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (list[i].handle)
                        rd_kafka_message_destroy(TAKE(list[i].handle));
                free(TAKE(list[i].unreadable));
        }
}

/* Eight bytes at a time; no secret is kept by it. */
static uint64_t digest(uint64_t h, struct span s)
{
        static const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
        h = (h ^ s.len) * prime;
        for (size_t i = 0; i < s.len; i += 8) {
                uint64_t word = 0;
                memcpy(&word, s.ptr + i, s.len - i < 8 ? s.len - i : 8);
                h = (h ^ word) * prime;
                h ^= h >> 29;
        }
        return h;
}

int64_t kafka_message_mark(const struct kafka_message *m)
{
        if (m->unreadable)
                return 0;
        uint64_t h = digest(digest((uint64_t)m->timestamp, m->key), m->value);
        return h ? (int64_t)h : 1;
}

/* ---- the rest ---- */

int consumer_seek(struct kafka_consumer *c, struct slot *s, int64_t offset, struct err *e)
{
        TPLIST_CLEANUP rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
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
                /* Just after an assignment the fetching has not begun yet, or the one before has
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
                return err_set(e, ERR_RETRY, "_STATE", "%s [%d] is not ours", topic,
                               (int)partition);
        if (consumer_seek(c, s, offset, e) < 0)
                return -1;
        s->next = offset;
        s->unreadable = (struct unreadable){ .polled = c->polled };
        return 0;
}

int kafka_pause(struct kafka_consumer *c, bool pause, struct err *e)
{
        c->paused = pause;
        return assignment_apply_pause(c, e);
}

int kafka_pause_partition(struct kafka_consumer *c, const char *topic, int32_t partition,
                          bool pause, struct err *e)
{
        struct slot *s = assignment_find(c, topic, partition);
        if (!s)
                return 0;
        s->held = pause;
        return assignment_apply_pause(c, e);
}

void kafka_commit_async(struct kafka_consumer *c, const struct kafka_partition *list, size_t n)
{
        if (!n)
                return;
        TPLIST_CLEANUP rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(
                (int)n);
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
