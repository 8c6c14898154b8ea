/* SPDX-License-Identifier: Apache-2.0 */
/* A list of topics with an array by partition: topics are few, and known by name. */
#include "aggregator/issued.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITIONS_MAX = 100000 };

/* Clocks differ, and are adjusted now and then. */
#define AHEAD (5 * 60 * INSTANT_SECOND)

void issued_deinit(struct issued *x)
{
        for (size_t i = 0; i < x->n; i++) {
                free(x->list[i].name);
                free(x->list[i].last);
        }
        free(x->list);
        *x = (struct issued){ 0 };
}

static struct issued_topic *find_topic(const struct issued *x, struct span topic)
{
        for (size_t i = 0; i < x->n; i++)
                if (span_is(topic, x->list[i].name))
                        return &x->list[i];
        return NULL;
}

static struct issued_topic *add_topic(struct issued *x, const char *topic)
{
        struct issued_topic *grown = reallocarray(x->list, x->n + 1, sizeof *grown);
        if (!grown)
                return NULL;
        x->list = grown;
        grown[x->n] = (struct issued_topic){ .name = strdup(topic) };
        return grown[x->n].name ? &grown[x->n++] : NULL;
}

int issued_set(struct issued *x, const char *topic, int32_t partition, int64_t last)
{
        struct issued_topic *t = find_topic(x, span_of(topic));
        if (partition < 0 || partition >= PARTITIONS_MAX)
                return 0;
        if (!t && !(t = add_topic(x, topic)))
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

int issued_check(const struct issued *x, const struct outcome_event *m, instant now, struct err *e)
{
        const struct issued_topic *t = find_topic(x, m->source_topic);
        int64_t last = t && m->source_partition >= 0 && (size_t)m->source_partition < t->n
                               ? t->last[m->source_partition]
                               : -1;
        if (last < 0)
                return err_set(
                        e, ERR_INPUT, "",
                        "source_partition: the ledger has no partition %d of the topic \"%.*s\"",
                        (int)m->source_partition,
                        m->source_topic.len < 249 ? (int)m->source_topic.len : 249,
                        m->source_topic.ptr);
        if (m->sequence > last)
                return err_set(e, ERR_INPUT, "",
                               "sequence: %lld, but the last one that the ledger has issued of "
                               "%s/%d is %lld",
                               (long long)m->sequence, t->name, (int)m->source_partition,
                               (long long)last);
        if (m->at > now + AHEAD)
                return err_set(e, ERR_INPUT, "",
                               "at: %lld us since 1970 is later than the clock of the database",
                               (long long)m->at);
        return 0;
}
