/* SPDX-License-Identifier: Apache-2.0 */
/* Which partitions the group has assigned to this consumer: applying, revoking, pausing, leaving.
 */
#include "kafka/assignment.h"

#include "kafka/searches.h"

#include <stdlib.h>
#include <string.h>

enum { APPLY_RETRY_MS = 1000, LEAVE_MS = 5000, LEAVE_POLL_MS = 50 };

struct slot *assignment_find(struct kafka_consumer *c, const char *topic, int32_t partition)
{
        for (size_t i = 0; i < c->n_slots; i++)
                if (c->slots[i].partition == partition && strcmp(c->slots[i].topic, topic) == 0)
                        return &c->slots[i];
        return NULL;
}

struct slot *assignment_of(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
        if (m->rkt == c->latest_rkt && c->latest < c->n_slots &&
            c->slots[c->latest].partition == m->partition)
                return &c->slots[c->latest];
        struct slot *s = assignment_find(c, rd_kafka_topic_name(m->rkt), m->partition);
        if (s) {
                c->latest_rkt = m->rkt;
                c->latest = (size_t)(s - c->slots);
        }
        return s;
}

static void drop_pending(struct kafka_consumer *c)
{
        if (c->pending_assignment)
                rd_kafka_topic_partition_list_destroy(TAKE(c->pending_assignment));
        c->answered = false;
}

static void forget_slots(struct kafka_consumer *c)
{
        for (size_t i = 0; i < c->n_slots; i++)
                searches_keep(c->searches, &c->slots[i]);
        free(TAKE(c->slots));
        c->n_slots = 0;
        c->latest_rkt = NULL;
}

/* librdkafka keeps a partition paused beyond its assignment: assigned once more, it would bring
 * nothing. */
static void unpause(struct kafka_consumer *c)
{
        rd_kafka_topic_partition_list_t *list CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new((int)c->n_slots);
        for (size_t i = 0; i < c->n_slots; i++)
                if (c->slots[i].paused)
                        rd_kafka_topic_partition_list_add(list, c->slots[i].topic,
                                                          c->slots[i].partition);
        if (list->cnt)
                rd_kafka_resume_partitions(c->rk, list);
}

/* Notifies the owner, who may finish its work before the group assigns the partitions to another
 * member. */
static void revoke(struct kafka_consumer *c)
{
        if (c->n_slots && c->events.revoked) {
                struct kafka_partition *list CLEANUP(cleanup_free) = calloc(c->n_slots,
                                                                            sizeof *list);
                for (size_t i = 0; list && i < c->n_slots; i++)
                        list[i] = (struct kafka_partition){ c->slots[i].topic,
                                                            c->slots[i].partition,
                                                            c->slots[i].next };
                c->events.revoked(c->events.ctx, list, list ? c->n_slots : 0,
                                  rd_kafka_assignment_lost(c->rk));
        }
        if (!c->closing) {
                unpause(c);
                /* The only sign of an unavailable broker if no other request was sent. */
                if (rd_kafka_assignment_lost(c->rk))
                        err_set(&c->pending, ERR_RETRY, "_ASSIGNMENT_LOST",
                                "consumer group session timed out");
        }
        forget_slots(c);
}

/* An empty assignment is not the same as none (NULL): it answers the group, and keeps the
 * membership. */
static void assign_nothing(struct kafka_consumer *c)
{
        rd_kafka_topic_partition_list_t *nothing CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new(0);
        rd_kafka_assign(c->rk, nothing);
}

void assignment_callback(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
        struct kafka_consumer *c = opaque;
        drop_pending(c);
        if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !c->closing) {
                c->pending_assignment = rd_kafka_topic_partition_list_copy(list);
                c->apply_at = 0;
                rd_kafka_yield(rk); /* the poll returns at once, and applies it */
                return;
        }
        revoke(c);
        if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS &&
            code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
                client_err(&c->pending, code, "rebalance");
        rd_kafka_assign(rk, NULL);
}

static const char *topic_name(struct kafka_consumer *c, const char *name)
{
        for (size_t i = 0; i < c->n_topics; i++)
                if (strcmp(c->topics[i], name) == 0)
                        return c->topics[i];
        return NULL;
}

/* Requests the offsets from the owner. */
static int start_offsets(struct kafka_consumer *c, struct kafka_partition *list, size_t n,
                         struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                const rd_kafka_topic_partition_t *p = &c->pending_assignment->elems[i];
                list[i] = (struct kafka_partition){ topic_name(c, p->topic), p->partition, -1 };
                if (!list[i].topic)
                        return err_set(e, ERR_FATAL, "",
                                       "the group assigned topic %s, which was not subscribed",
                                       p->topic);
        }
        if (n && c->events.assigned(c->events.ctx, list, n, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                if (list[i].offset < 0)
                        return err_set(e, ERR_FATAL, "",
                                       "%s [%d]: %lld is not an offset to start at", list[i].topic,
                                       (int)list[i].partition, (long long)list[i].offset);
        return 0;
}

static int start_assignment(struct kafka_consumer *c, struct err *e)
{
        size_t n = (size_t)c->pending_assignment->cnt;
        struct kafka_partition *list CLEANUP(cleanup_free) = calloc(n + 1, sizeof *list);
        struct slot *slots CLEANUP(cleanup_free) = calloc(n + 1, sizeof *slots);
        if (!list || !slots)
                return err_oom(e);
        if (start_offsets(c, list, n, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++) {
                c->pending_assignment->elems[i].offset = list[i].offset;
                slots[i] = (struct slot){ .topic = list[i].topic,
                                          .partition = list[i].partition,
                                          .next = list[i].offset,
                                          .newest = -1,
                                          .log_probe.ms = -1 };
                searches_recall(c->searches, &slots[i]);
        }
        rd_kafka_resp_err_t code = rd_kafka_assign(c->rk, c->pending_assignment);
        if (code) {
                if (c->events.revoked)
                        c->events.revoked(c->events.ctx, list, n, true);
                return client_err(e, code, "assigning %zu partitions", n);
        }
        forget_slots(c);
        c->slots = TAKE(slots);
        c->n_slots = n;
        drop_pending(c);
        return assignment_apply_pause(c, e);
}

int assignment_apply(struct kafka_consumer *c, struct err *e)
{
        if (!c->pending_assignment || monotonic_ms() < c->apply_at)
                return 0;
        if (start_assignment(c, e) == 0)
                return 0;
        if (c->pending_assignment) {
                if (!c->answered)
                        assign_nothing(c); /* else the whole group waits for it */
                c->answered = true;
                c->apply_at = monotonic_ms() + APPLY_RETRY_MS;
        }
        return err_prefix(e, "partitions are not claimed");
}

/* Messages may still come; they are discarded. */
static void serve_close(struct kafka_consumer *c, rd_kafka_queue_t *queue)
{
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, LEAVE_POLL_MS);
        if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
                assignment_callback(c->rk, rd_kafka_event_error(event),
                                    rd_kafka_event_topic_partition_list(event), c);
        rd_kafka_event_destroy(event);
}

/* Leaves the group; false when that did not end in time. rd_kafka_consumer_close would wait without
 * a limit for a broker that does not come back. */
static bool leave_group(struct kafka_consumer *c)
{
        int64_t until = monotonic_ms() + LEAVE_MS;
        rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
        rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, queue);
        if (error)
                rd_kafka_error_destroy(error);
        else
                while (!rd_kafka_consumer_closed(c->rk) && monotonic_ms() < until)
                        serve_close(c, queue);
        bool closed = rd_kafka_consumer_closed(c->rk);
        rd_kafka_queue_destroy(queue);
        return closed;
}

bool assignment_close(struct kafka_consumer *c)
{
        c->closing = true;
        if (c->pending_assignment && !c->answered)
                assign_nothing(c);
        drop_pending(c);
        bool left = leave_group(c);
        revoke(c); /* a close that failed did not */
        return left;
}

static int apply_pause(struct kafka_consumer *c, bool pause, struct err *e)
{
        rd_kafka_topic_partition_list_t *list CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new((int)c->n_slots);
        for (size_t i = 0; i < c->n_slots; i++) {
                struct slot *s = &c->slots[i];
                if ((c->idle || s->pause_requested) != pause || s->paused == pause)
                        continue;
                rd_kafka_topic_partition_list_add(list, s->topic, s->partition);
                s->paused = pause;
        }
        if (!list->cnt)
                return 0;
        rd_kafka_resp_err_t code = pause ? rd_kafka_pause_partitions(c->rk, list)
                                         : rd_kafka_resume_partitions(c->rk, list);
        return code ? client_err(e, code, pause ? "pause" : "resume") : 0;
}

int assignment_apply_pause(struct kafka_consumer *c, struct err *e)
{
        return apply_pause(c, true, e) < 0 ? -1 : apply_pause(c, false, e);
}
