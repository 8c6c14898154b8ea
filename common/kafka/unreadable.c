/*
 * Goes on past a batch that cannot be read: damaged, or opening to more than we let it. librdkafka
 * reports where the batch begins, again and again, and not where it ends; the broker gives the
 * whole batch for any offset in it. So its end is searched for, by seeking: an offset that fails in
 * the same way lies inside. The batch is then given out as one message without content, which says
 * why.
 */
#include "kafka/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMES = 3, PROBE_MS = 5000, WATERMARK_MS = 2000, WHY_MAX = 200 };

static bool is_about_a_batch(rd_kafka_resp_err_t code)
{
        return code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION || code == RD_KAFKA_RESP_ERR__BAD_MSG ||
               code == RD_KAFKA_RESP_ERR__UNDERFLOW || code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED ||
               code == RD_KAFKA_RESP_ERR_INVALID_MSG ||
               code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
               code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
}

/* What lies at the probe tells on which side of the end it is; where nothing comes, beyond it. */
static void probe(struct kafka_consumer *c, struct slot *s)
{
        struct unreadable *u = &s->unreadable;
        struct err ignored = ERR_INIT;
        if (u->outside - u->inside <= 1) {
                u->probe = -1;
                u->found = true;
                return;
        }
        int64_t further = u->inside - u->from + 1, middle = (u->outside - u->inside) / 2;
        u->probe = u->inside + (further < middle ? further : middle);
        u->until_ms = monotonic_ms() + PROBE_MS;
        u->polled = c->polled;
        if (consumer_seek(c, s, u->probe, &ignored) < 0)
                u->times = 0, u->probe = -1; /* from the beginning, when the error comes again */
}

static void begin(struct kafka_consumer *c, struct slot *s)
{
        struct unreadable *u = &s->unreadable;
        int64_t low = 0, high = 0;
        if (kafka_watermarks(c, s->topic, s->partition, &low, &high, WATERMARK_MS, NULL) < 0)
                return;
        u->from = u->inside = u->first > s->next ? u->first : s->next;
        u->outside = high > u->from ? high : u->from + 1;
        probe(c, s);
}

/* What comes next lies behind a batch that failed and that has not been given out: librdkafka went
 * on by itself, and the batch must not be lost for that. */
static bool was_passed_over(const struct slot *s, int64_t offset)
{
        return s->unreadable.times && offset > s->unreadable.first && offset > s->next;
}

bool unreadable_error(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
        struct slot *s = m->rkt && is_about_a_batch(m->err) ? assignment_of(c, m) : NULL;
        if (!s || m->offset < 0)
                return false;
        struct unreadable *u = &s->unreadable;
        if (u->found || (u->probe >= 0 && u->polled == c->polled))
                return true;
        if (u->probe >= 0) {
                if (m->offset == u->first)
                        u->inside = u->probe;
                else
                        u->outside = u->probe;
                probe(c, s);
                return true;
        }
        if (was_passed_over(s, m->offset)) {
                begin(c, s);
                return true;
        }
        if (u->times == 0 || u->first != m->offset) {
                *u = (struct unreadable){ .first = m->offset, .probe = -1 };
                snprintf(u->why, sizeof u->why, "%s", rd_kafka_message_errstr(m));
        }
        if (++u->times >= TIMES)
                begin(c, s);
        return true;
}

bool unreadable_probed(struct kafka_consumer *c, const rd_kafka_message_t *m, struct slot *s)
{
        struct unreadable *u = &s->unreadable;
        if (u->found)
                return true;
        if (u->probe < 0 && was_passed_over(s, m->offset)) {
                begin(c, s);
                return true;
        }
        if (u->probe < 0) {
                u->times = 0;
                return false;
        }
        if (m->offset >= u->probe && u->polled != c->polled) {
                u->outside = u->probe;
                probe(c, s);
        }
        return true;
}

/* The batch as a message; librdkafka goes on behind it. */
static int give(struct kafka_consumer *c, struct slot *s, struct kafka_message *ret, struct err *e)
{
        struct unreadable *u = &s->unreadable;
        char text[WHY_MAX + 160];
        if (u->inside > u->from)
                snprintf(
                        text, sizeof text,
                        "the batch of offsets %lld to %lld cannot be read: it is damaged, or opens to more than %zu MiB (%s)",
                        (long long)u->from, (long long)u->inside, opened_max() >> 20, u->why);
        else
                snprintf(
                        text, sizeof text,
                        "the message cannot be read: it is damaged, or opens to more than %zu MiB (%s)",
                        opened_max() >> 20, u->why);
        char *why = strdup(text);
        if (!why)
                return err_oom(e);
        if (consumer_seek(c, s, u->inside + 1, e) < 0) {
                free(why);
                return -1;
        }
        s->next = u->inside + 1;
        *ret = (struct kafka_message){ .topic = s->topic,
                                       .partition = s->partition,
                                       .first = u->from,
                                       .offset = u->inside,
                                       .timestamp = INSTANT_NONE,
                                       .unreadable = why };
        *u = (struct unreadable){ .probe = -1 };
        return 0;
}

int unreadable_give(struct kafka_consumer *c, struct kafka_message *list, size_t n, size_t max,
                    struct err *e)
{
        for (size_t i = 0; i < c->n_slots && n < max; i++) {
                struct unreadable *u = &c->slots[i].unreadable;
                if (u->probe >= 0 && monotonic_ms() > u->until_ms) {
                        u->outside = u->probe;
                        probe(c, &c->slots[i]);
                }
                if (!u->found)
                        continue;
                if (give(c, &c->slots[i], &list[n], e) < 0)
                        return n ? (int)n : -1;
                n++;
        }
        return (int)n;
}
