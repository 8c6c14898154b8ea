/*
 * A log is known by its landmark: where its first message later than a given time lies, which stays
 * the same for as long as the log does. A log that was made later has later messages only, so that
 * its answer is its beginning.
 */
#include "kafka/consumer.h"
#include "kafka/producer.h"

#include <stdlib.h>

enum { RENEW_MS = 1000, ASK_TIMES = 3 };

/* The first offset of `ms` or later in each slot's log, into `ret`; -1: none. Slots with a negative
 * `ms` are left out. */
static int first_offsets(rd_kafka_t *rk, const struct slot *slots, size_t n, const int64_t *ms,
                         int64_t *ret, int timeout_ms, struct err *e)
{
        TPLIST_CLEANUP rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
                (int)n);
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
                        return client_err(e, code ? code : p->err, "%s [%d]: comparing the log",
                                          p->topic, (int)p->partition);
                ret[i] = p && p->offset >= 0 ? p->offset : -1;
        }
        return 0;
}

/* 1: it is another log; 0: it is not, or the landmark is deleted by now, with all before it; -1. */
static int differs(rd_kafka_t *rk, const struct slot *s, int64_t found, int timeout_ms,
                   struct err *e)
{
        const struct landmark *l = &s->landmark;
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

/* The time of a slot's next landmark; -1: it keeps the one it has. */
static int64_t next_time(const struct slot *s, bool renew)
{
        bool read_on = s->newest >= 0 && s->newest >= s->landmark.ms;
        return read_on && (renew || s->landmark.ms < 0) ? s->newest + 1 : -1;
}

/* The newer landmarks are asked for first: when the older ones are still there after that, they are
 * of the same log. */
static int ask(rd_kafka_t *rk, const struct slot *slots, size_t n, struct answers *a,
               int timeout_ms, struct err *e)
{
        for (size_t i = 0; i < n; i++)
                a->ms[i] = next_time(&slots[i], a->renew);
        if (first_offsets(rk, slots, n, a->ms, a->newer, timeout_ms, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                a->ms[i] = slots[i].landmark.ms;
        if (first_offsets(rk, slots, n, a->ms, a->older, timeout_ms, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                if ((a->other[i] = differs(rk, &slots[i], a->older[i], timeout_ms, e)) < 0)
                        return -1;
        return 0;
}

/* A broker opens the batch in which it looks for a time. Where it cannot, or not in time, it fails
 * in the same way each time; then the landmarks are taken anew, from messages further on. 0; -1: a
 * broker is away, which tells nothing, or it is to be tried again, for the reason that `e` has. */
static int take_anew(struct kafka_consumer *c, rd_kafka_t *rk, int timeout_ms)
{
        for (size_t i = 0; i < c->n_slots; i++) {
                const struct slot *s = &c->slots[i];
                struct err away = ERR_INIT;
                int64_t low;
                if (client_offsets(rk, s->topic, s->partition, 1, RD_KAFKA_OFFSET_BEGINNING, &low,
                                   timeout_ms, &away) < 0) {
                        c->unanswered = 0;
                        return -1;
                }
        }
        if (++c->unanswered < ASK_TIMES)
                return -1;
        c->unanswered = 0;
        for (size_t i = 0; i < c->n_slots; i++)
                c->slots[i].landmark.ms = c->slots[i].newest = -1;
        return 0;
}

int kafka_compare_logs(struct kafka_consumer *c, struct kafka_producer *asking, int timeout_ms,
                       struct kafka_partition *list, size_t max, struct err *e)
{
        size_t n = c->n_slots, others = 0;
        if (c->embedded || !n)
                return 0;
        CLEANUP(cleanup_free) int64_t *numbers = calloc(4 * n, sizeof *numbers);
        if (!numbers)
                return err_oom(e);
        struct answers a = { monotonic_ms() >= c->landmark_at, numbers, numbers + n,
                             numbers + 2 * n, numbers + 3 * n };
        if (ask(asking->rk, c->slots, n, &a, timeout_ms, e) < 0)
                return take_anew(c, asking->rk, timeout_ms);
        c->unanswered = 0;
        for (size_t i = 0; i < n; i++) {
                struct slot *s = &c->slots[i];
                if (a.other[i] && others++ < max)
                        list[others - 1] = (struct kafka_partition){ s->topic, s->partition,
                                                                     s->next };
                if (a.other[i])
                        s->landmark.ms = s->newest = -1;
                else if (next_time(s, a.renew) >= 0)
                        s->landmark = (struct landmark){ next_time(s, a.renew), a.newer[i],
                                                         s->next - 1 };
        }
        if (a.renew)
                c->landmark_at = monotonic_ms() + RENEW_MS;
        return (int)others;
}

bool kafka_compare_first(const struct kafka_consumer *c)
{
        for (size_t i = 0; !c->embedded && i < c->n_slots; i++)
                if (c->slots[i].landmark.ms < 0 && c->slots[i].newest >= 0)
                        return true;
        return false;
}
