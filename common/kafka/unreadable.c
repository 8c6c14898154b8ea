/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumes past a batch that cannot be read: it is damaged, or decompresses to more than is
 * allowed. Its end is searched for (batch_end.h); then it is returned as one message without
 * content, with the reason.
 */
#include "kafka/unreadable.h"

#include "kafka/assignment.h"
#include "kafka/consumer.h"
#include "kafka/opened.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 5000, LOG_END_MS = 2000, LOG_END_RETRY_MS = 1000 };

static bool is_about_a_batch(rd_kafka_resp_err_t code)
{
        return code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION || code == RD_KAFKA_RESP_ERR__BAD_MSG ||
               code == RD_KAFKA_RESP_ERR__UNDERFLOW || code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED ||
               code == RD_KAFKA_RESP_ERR_INVALID_MSG ||
               code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
               code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
}

/* A seek that is not accepted may still take effect later: until one is accepted, nothing that
 * comes counts as an answer, or as a message to be returned. */
static void seek_for_search(struct kafka_consumer *c, struct slot *s, int64_t offset)
{
        struct unreadable *u = &s->unreadable;
        struct err ignored = ERR_INIT;
        u->seek = offset;
        u->polled = c->polled;
        u->seek_due = consumer_seek(c, s, offset, &ignored) < 0;
        u->until_ms = monotonic_ms() + ANSWER_MS;
}

static void apply_answer(struct kafka_consumer *c, struct slot *s, enum batch_end_answer answer)
{
        struct unreadable *u = &s->unreadable;
        int64_t log_end = 0;
        if (answer == BATCH_END_QUERY) {
                if (u->log_end_due && monotonic_ms() < u->until_ms)
                        return;
                u->log_end_due = client_offsets(c->rk, s->topic, s->partition, 1,
                                                RD_KAFKA_OFFSET_END, &log_end, LOG_END_MS,
                                                NULL) < 0;
                u->until_ms = monotonic_ms() + LOG_END_RETRY_MS;
                if (u->log_end_due)
                        return;
                answer = batch_end_begin(&u->end, s->next, log_end);
        }
        if (answer == BATCH_END_PROBE)
                seek_for_search(c, s, u->end.probe);
        else if (answer == BATCH_END_RESTART)
                seek_for_search(c, s, s->next);
}

static bool is_older(const struct kafka_consumer *c, const struct unreadable *u)
{
        return u->seek_due || u->polled == c->polled;
}

bool unreadable_error(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
        struct slot *s = m->rkt ? assignment_of(c, m) : NULL;
        bool end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!s || m->offset < 0)
                return end;
        struct batch_end *b = &s->unreadable.end;
        if (is_about_a_batch(m->err)) {
                /* For a query by time the broker would decompress the batch, each time. */
                s->log_probe.ms = s->newest = -1;
                if (!is_older(c, &s->unreadable))
                        apply_answer(c, s,
                                     batch_end_failed(b, s->next, m->offset,
                                                      rd_kafka_message_errstr(m)));
                return true;
        }
        if (end) {
                if (!is_older(c, &s->unreadable))
                        apply_answer(c, s, batch_end_nothing(b, s->next, m->offset));
                return true;
        }
        /* The offset is no longer in the log: librdkafka fetches no more, and accepts no seek. */
        if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
                s->unreadable = (struct unreadable){ 0 };
        return false;
}

bool unreadable_probed(struct kafka_consumer *c, const rd_kafka_message_t *m, struct slot *s)
{
        if (is_older(c, &s->unreadable))
                return true;
        enum batch_end_answer answer = batch_end_message(&s->unreadable.end, s->next, m->offset);
        apply_answer(c, s, answer);
        return answer != BATCH_END_PASS;
}

static char *reason_of(const struct batch_end *b)
{
        char text[sizeof b->why + 160], which[80] = "message";
        if (b->inside > b->from)
                snprintf(which, sizeof which, "batch of offsets %lld to %lld", (long long)b->from,
                         (long long)b->inside);
        snprintf(text, sizeof text,
                 "the %s cannot be read: it is damaged, or opens to more than %zu MiB (%s)", which,
                 opened_max() >> 20, b->why);
        return strdup(text);
}

/* Returns the batch as a message; librdkafka fetches from the offset after it. */
static int return_batch(struct kafka_consumer *c, struct slot *s, struct kafka_message *ret,
                        struct err *e)
{
        struct batch_end *b = &s->unreadable.end;
        int64_t from = b->from, last = b->inside;
        char *why = reason_of(b);
        if (!why)
                return err_oom(e);
        if (kafka_seek(c, s->topic, s->partition, last + 1, e) < 0) {
                free(why);
                return -1;
        }
        *ret = (struct kafka_message){ .topic = s->topic,
                                       .partition = s->partition,
                                       .first = from,
                                       .offset = last,
                                       .timestamp = INSTANT_NONE,
                                       .unreadable = why };
        return 0;
}

int unreadable_give(struct kafka_consumer *c, struct kafka_message *list, size_t n, size_t max,
                    struct err *e)
{
        for (size_t i = 0; i < c->n_slots && n < max; i++) {
                struct slot *s = &c->slots[i];
                const struct unreadable *u = &s->unreadable;
                bool late = monotonic_ms() > u->until_ms;
                if (u->log_end_due && late)
                        apply_answer(c, s, BATCH_END_QUERY);
                else if (u->seek_due || (u->end.state == BATCH_END_SEARCHING && late))
                        seek_for_search(c, s, u->seek);
                if (u->end.state != BATCH_END_FOUND)
                        continue;
                if (return_batch(c, s, &list[n], e) < 0)
                        return n ? (int)n : -1;
                n++;
        }
        return (int)n;
}
