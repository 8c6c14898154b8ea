/* SPDX-License-Identifier: Apache-2.0 */
/* Polling: messages, the events between them, and callers that only serve the group. */
#include "kafka/consumer_state.h"

#include "kafka/assignment.h"
#include "kafka/unreadable.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
        /* between checks of the embedded broker's file while nothing comes */
        CHECK_BROKER_MS = 1000,
        /* if a caller takes nothing for longer, its partitions are paused, so that rebalances can
           be served */
        IDLE_GRACE_MS = 200,
        WAKE_TIMEOUT_MS = 200,
};

static int return_pending(struct kafka_consumer *c, struct err *e)
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
                "%s [%d]: offset %lld is not on the broker, which has %lld up to %lld (exclusive): "
                "older messages were deleted, or the topic was re-created",
                topic, (int)m->partition, (long long)(s ? s->next : m->offset), (long long)low,
                (long long)high);
}

/* Moves the messages of assigned partitions from c->batch to `list`, and destroys the rest. */
static size_t keep_assigned(struct kafka_consumer *c, size_t n, struct kafka_message *list)
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

/* What has been fetched, at most `max`; waits only for the first. */
static size_t take_fetched(struct kafka_consumer *c, int timeout_ms, size_t max)
{
        ssize_t n = rd_kafka_consume_batch_queue(c->queue, 0, c->batch, max);
        if (n > 0)
                return (size_t)n;
        if (c->pending_assignment)
                return 0;
        rd_kafka_message_t *first = rd_kafka_consumer_poll(c->rk, timeout_ms);
        if (!first)
                return 0;
        c->batch[0] = first;
        n = max > 1 ? rd_kafka_consume_batch_queue(c->queue, 0, c->batch + 1, max - 1) : 0;
        return 1 + (n > 0 ? (size_t)n : 0);
}

/*
 * Before 2.2, a broker's thread that finds the queue full checks it again only after a second, or
 * when something else wakes it: a consumer that takes the messages more slowly than they come would
 * wait most of each second. A small request to the leaders wakes their threads.
 */
static void wake_fetchers(struct kafka_consumer *c)
{
        if (RD_KAFKA_VERSION >= 0x020200ff ||
            (c->taken < c->prefetch_count / 2 && c->taken_bytes < c->prefetch_bytes / 2))
                return;
        if (rd_kafka_queue_length(c->queue) > c->prefetch_count / 2 && c->taken < c->prefetch_count)
                return;
        c->taken = c->taken_bytes = 0;
        rd_kafka_topic_partition_list_t *list CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new((int)c->n_slots);
        for (size_t i = 0; i < c->n_slots; i++)
                rd_kafka_topic_partition_list_add(list, c->slots[i].topic, c->slots[i].partition)
                        ->offset = RD_KAFKA_OFFSET_END;
        if (list->cnt)
                rd_kafka_offsets_for_times(c->rk, list, WAKE_TIMEOUT_MS);
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

/* The caller takes nothing: only events are served. In the queue they come after messages; a pause
 * drops those, to be fetched later. */
static int serve_idle(struct kafka_consumer *c, int timeout_ms, struct err *e)
{
        int64_t now = monotonic_ms();
        if (!c->idle_since)
                c->idle_since = now;
        if (!c->idle && c->n_slots && now - c->idle_since < IDLE_GRACE_MS) {
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

static int leave_idle(struct kafka_consumer *c, struct err *e)
{
        c->idle_since = 0;
        if (!c->idle)
                return 0;
        c->idle = false;
        return assignment_apply_pause(c, e);
}

/* Newer versions of librdkafka report only once that all brokers are down, which may be before the
 * embedded broker has restarted. */
static void check_broker(struct kafka_consumer *c)
{
        if (!c->embedded || monotonic_ms() < c->check_broker_at)
                return;
        c->check_broker_at = monotonic_ms() + CHECK_BROKER_MS;
        if (kafka_consumer_broker_restarted(c))
                err_set(&c->pending, ERR_FATAL, "", "the embedded broker was restarted");
}

int kafka_poll(struct kafka_consumer *c, int timeout_ms, struct kafka_message *list, size_t max,
               struct err *e)
{
        size_t kept = 0;
        /* An assignment that is refused repeatedly must not keep a caller who only serves the group
         * from doing so. */
        if (return_pending(c, e) < 0 || (max && assignment_apply(c, e) < 0))
                return -1;
        if (c->pending_assignment && timeout_ms > c->apply_at - monotonic_ms())
                timeout_ms = c->apply_at > monotonic_ms() ? (int)(c->apply_at - monotonic_ms()) : 0;
        c->polled++;
        if (max == 0) {
                if (serve_idle(c, timeout_ms, e) < 0)
                        return -1;
        } else {
                if (leave_idle(c, e) < 0 || reserve(c, max, e) < 0)
                        return -1;
                wake_fetchers(c);
                kept = keep_assigned(c, take_fetched(c, timeout_ms, max), list);
                int more = unreadable_give(c, list, kept, max, e);
                if (more < 0)
                        return -1;
                kept = (size_t)more;
        }
        if (kept)
                return (int)kept;
        if (assignment_apply(c, e) < 0)
                return -1;
        check_broker(c);
        return return_pending(c, e);
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

/* Eight bytes at a time; not cryptographic. */
static uint64_t add_to_digest(uint64_t h, struct span s)
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

int64_t kafka_message_digest(const struct kafka_message *m)
{
        if (m->unreadable)
                return 0;
        uint64_t h = add_to_digest(add_to_digest((uint64_t)m->timestamp, m->key), m->value);
        return h ? (int64_t)h : 1;
}
