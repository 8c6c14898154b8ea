/* SPDX-License-Identifier: Apache-2.0 */
/* The searches for the end of unreadable batches, kept while their partitions are not assigned. */
#include "kafka/searches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kafka_searches {
        struct kept {
                char topic[KAFKA_TOPIC_MAX + 1];
                int32_t partition;
                struct batch_end end;
        } *list;
        size_t n;
};

struct kafka_searches *kafka_searches_new(void)
{
        return calloc(1, sizeof(struct kafka_searches));
}

void kafka_searches_free(struct kafka_searches *list)
{
        if (!list)
                return;
        free(list->list);
        free(list);
}

static struct kept *find_kept(struct kafka_searches *list, const struct slot *s)
{
        for (size_t i = 0; i < list->n; i++)
                if (list->list[i].partition == s->partition &&
                    strcmp(list->list[i].topic, s->topic) == 0)
                        return &list->list[i];
        return NULL;
}

static void remove_kept(struct kafka_searches *list, struct kept *k)
{
        if (k)
                *k = list->list[--list->n];
}

/* Without memory for it, the search is restarted. */
void searches_keep(struct kafka_searches *list, const struct slot *s)
{
        struct batch_end end = batch_end_resume(&s->unreadable.end);
        if (!list)
                return;
        remove_kept(list, find_kept(list, s));
        if (end.state == BATCH_END_NONE)
                return;
        struct kept *grown = reallocarray(list->list, list->n + 1, sizeof *grown);
        if (!grown)
                return;
        list->list = grown;
        grown[list->n] = (struct kept){ .partition = s->partition, .end = end };
        snprintf(grown[list->n].topic, sizeof grown[list->n].topic, "%s", s->topic);
        list->n++;
}

void searches_recall(struct kafka_searches *list, struct slot *s)
{
        struct kept *k = list ? find_kept(list, s) : NULL;
        if (!k)
                return;
        if (s->next <= k->end.from)
                s->unreadable.end = k->end;
        remove_kept(list, k);
}
