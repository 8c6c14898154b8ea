#include "aggregator/numbered.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITIONS_MAX = 100000 };

/* Clocks are put right now and then. */
#define AHEAD (5 * 60 * INSTANT_SECOND)

void numbered_deinit(struct numbered *x)
{
        for (size_t i = 0; i < x->n; i++) {
                free(x->list[i].name);
                free(x->list[i].last);
        }
        free(x->list);
        *x = (struct numbered){ 0 };
}

static struct numbered_topic *find(const struct numbered *x, struct span topic)
{
        for (size_t i = 0; i < x->n; i++)
                if (span_is(topic, x->list[i].name))
                        return &x->list[i];
        return NULL;
}

static struct numbered_topic *add(struct numbered *x, const char *topic)
{
        struct numbered_topic *grown = reallocarray(x->list, x->n + 1, sizeof *grown);
        if (!grown)
                return NULL;
        x->list = grown;
        grown[x->n] = (struct numbered_topic){ .name = strdup(topic) };
        return grown[x->n].name ? &grown[x->n++] : NULL;
}

int numbered_set(struct numbered *x, const char *topic, int32_t partition, int64_t last)
{
        struct numbered_topic *t = find(x, span_of(topic));
        if (partition < 0 || partition >= PARTITIONS_MAX)
                return 0;
        if (!t && !(t = add(x, topic)))
                return -1;
        if ((size_t)partition >= t->n) {
                size_t n = (size_t)partition + 1;
                int64_t *grown = reallocarray(t->last, n, sizeof *grown);
                if (!grown)
                        return -1;
                t->last = grown;
                while (t->n < n)
                        grown[t->n++] = -1;
        }
        t->last[partition] = last;
        return 0;
}

int numbered_check(const struct numbered *x, const struct outcome_event *m, instant now,
                   struct err *e)
{
        const struct numbered_topic *t = find(x, m->source_topic);
        int64_t last = t && m->source_partition >= 0 && (size_t)m->source_partition < t->n
                               ? t->last[m->source_partition]
                               : -1;
        if (last < 0)
                return err_set(
                        e, ERR_INPUT, "",
                        "no outcome can come from partition %d of the topic \"%.*s\": the ledger does not know it",
                        (int)m->source_partition,
                        m->source_topic.len < 249 ? (int)m->source_topic.len : 249,
                        m->source_topic.ptr);
        if (m->sequence > last)
                return err_set(e, ERR_INPUT, "",
                               "sequence %lld: the ledger has numbered %s/%d only up to %lld",
                               (long long)m->sequence, t->name, (int)m->source_partition,
                               (long long)last);
        if (m->at > now + AHEAD)
                return err_set(e, ERR_INPUT, "",
                               "at: %lld us since 1970 is later than the database's clock",
                               (long long)m->at);
        return 0;
}
