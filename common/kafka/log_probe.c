/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detects topics that are re-created while they are consumed. A log probe is a time and the offset
 * of the first message of that time or later, which does not change while the topic exists. A topic
 * that was re-created since has later messages only, so it answers with its first offset.
 */
#include "kafka/consumer_state.h"
#include "kafka/producer.h"

#include <stdlib.h>

enum { RENEW_MS = 1000, FAILURES_MAX = 3 };

/* The first offset of `ms` or later in each slot's log, into `ret`; -1: none. Slots with a negative
 * `ms` are left out. */
static int first_offsets(rd_kafka_t *rk, const struct slot *slots, size_t n, const int64_t *ms,
                         int64_t *ret, int timeout_ms, struct err *e)
{
        rd_kafka_topic_partition_list_t *list CLEANUP(
                tplist_cleanup) = rd_kafka_topic_partition_list_new((int)n);
        for (size_t i = 0; i < n; i++)
                if (ms[i] >= 0)
                        rd_kafka_topic_partition_list_add(list, slots[i].topic, slots[i].partition)
                                ->offset = ms[i];
        rd_kafka_resp_err_t code = list->cnt ? rd_kafka_offsets_for_times(rk, list, timeout_ms)
                                             : RD_KAFKA_RESP_ERR_NO_ERROR;
        int at = 0;
        for (size_t i = 0; i < n; i++) {
                const rd_kafka_topic_partition_t *p = ms[i] >= 0 ? &list->elems[at++] : NULL;
                if (p && (code || p->err))
                        return client_err(e, code ? code : p->err,
                                          "%s [%d]: checking whether the topic was re-created",
                                          p->topic, (int)p->partition);
                ret[i] = p && p->offset >= 0 ? p->offset : -1;
        }
        return 0;
}

/* 1: the topic was re-created; 0: it was not, or the probed message is deleted by now, with all
 * before it; -1: error. */
static int was_recreated(rd_kafka_t *rk, const struct slot *s, int64_t found, int timeout_ms,
                         struct err *e)
{
        const struct log_probe *l = &s->log_probe;
        int64_t low;
        if (l->ms < 0 || found == l->offset || (l->offset < 0 && found > l->after))
                return 0;
        if (l->offset < 0)
                return 1;
        if (client_offsets(rk, s->topic, s->partition, 1, RD_KAFKA_OFFSET_BEGINNING, &low,
                           timeout_ms, e) < 0)
                return -1;
        return low <= l->offset;
}

struct answers {
        bool renew;
        int64_t *ms, *newer, *older, *other; /* by slot */
};

/* The time of a slot's next probe; -1: it keeps the one it has. */
static int64_t next_time(const struct slot *s, bool renew)
{
        bool read_on = s->newest >= 0 && s->newest >= s->log_probe.ms;
        return read_on && (renew || s->log_probe.ms < 0) ? s->newest + 1 : -1;
}

/* The newer probes are requested first: if the older ones have the same answer after that, both are
 * of the same topic. */
static int query(rd_kafka_t *rk, const struct slot *slots, size_t n, struct answers *a,
                 int timeout_ms, struct err *e)
{
        for (size_t i = 0; i < n; i++)
                a->ms[i] = next_time(&slots[i], a->renew);
        if (first_offsets(rk, slots, n, a->ms, a->newer, timeout_ms, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                a->ms[i] = slots[i].log_probe.ms;
        if (first_offsets(rk, slots, n, a->ms, a->older, timeout_ms, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                if ((a->other[i] = was_recreated(rk, &slots[i], a->older[i], timeout_ms, e)) < 0)
                        return -1;
        return 0;
}

/* A broker decompresses the batch in which it searches for a time. If it cannot, or not in time, it
 * fails each time; then the probes are renewed from later messages. 0; -1: a broker is unavailable,
 * or the query is to be retried; `e` has the reason. */
static int renew_failed(struct kafka_consumer *c, rd_kafka_t *rk, int timeout_ms)
{
        for (size_t i = 0; i < c->n_slots; i++) {
                const struct slot *s = &c->slots[i];
                struct err unavailable = ERR_INIT;
                int64_t low;
                if (client_offsets(rk, s->topic, s->partition, 1, RD_KAFKA_OFFSET_BEGINNING, &low,
                                   timeout_ms, &unavailable) < 0) {
                        c->probes_failed = 0;
                        return -1;
                }
        }
        if (++c->probes_failed < FAILURES_MAX)
                return -1;
        c->probes_failed = 0;
        for (size_t i = 0; i < c->n_slots; i++)
                c->slots[i].log_probe.ms = c->slots[i].newest = -1;
        return 0;
}

int kafka_find_recreated(struct kafka_consumer *c, struct kafka_producer *asking, int timeout_ms,
                         struct kafka_partition *list, size_t max, struct err *e)
{
        size_t n = c->n_slots, others = 0;
        if (c->embedded || !n)
                return 0;
        int64_t *numbers CLEANUP(cleanup_free) = calloc(4 * n, sizeof *numbers);
        if (!numbers)
                return err_oom(e);
        struct answers a = { monotonic_ms() >= c->probe_at, numbers, numbers + n, numbers + 2 * n,
                             numbers + 3 * n };
        if (query(asking->rk, c->slots, n, &a, timeout_ms, e) < 0)
                return renew_failed(c, asking->rk, timeout_ms);
        c->probes_failed = 0;
        for (size_t i = 0; i < n; i++) {
                struct slot *s = &c->slots[i];
                if (a.other[i] && others++ < max)
                        list[others - 1] = (struct kafka_partition){ s->topic, s->partition,
                                                                     s->next };
                if (a.other[i])
                        s->log_probe.ms = s->newest = -1;
                else if (next_time(s, a.renew) >= 0)
                        s->log_probe = (struct log_probe){ next_time(s, a.renew), a.newer[i],
                                                           s->next - 1 };
        }
        if (a.renew)
                c->probe_at = monotonic_ms() + RENEW_MS;
        return (int)others;
}

bool kafka_probe_missing(const struct kafka_consumer *c)
{
        for (size_t i = 0; !c->embedded && i < c->n_slots; i++)
                if (c->slots[i].log_probe.ms < 0 && c->slots[i].newest >= 0)
                        return true;
        return false;
}
