/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sequences: a growing list with an index by hash, open addressing. */
#include "aggregator/sequence_table.h"

#include "aggregator/map.h"

#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 64 };

void sequence_table_deinit(struct sequence_table *s)
{
        for (size_t i = 0; i < s->n_names; i++)
                free((char *)s->names[i].ptr);
        free(s->names);
        free(s->list);
        free(s->index);
        free(s->advanced);
        *s = (struct sequence_table){ 0 };
}

static bool is_entry_of(const struct sequence_table *s, const struct sequence_entry *x,
                        int32_t results_no, struct span topic, int32_t partition)
{
        return x->results_no == results_no && x->partition == partition &&
               span_eq(s->names[x->topic], topic);
}

static uint64_t hash_of(const struct sequence_table *s, int32_t results_no, struct span topic,
                        int32_t partition)
{
        uint64_t numbers = (uint64_t)(uint32_t)results_no << 32 | (uint32_t)partition;
        return hash_bytes(hash_number(s->seed, numbers), topic.ptr, topic.len);
}

static void index_entry(struct sequence_table *s, size_t at)
{
        const struct sequence_entry *x = &s->list[at];
        size_t i = hash_of(s, x->results_no, s->names[x->topic], x->partition) & (s->index_cap - 1);
        while (s->index[i])
                i = (i + 1) & (s->index_cap - 1);
        s->index[i] = (uint32_t)at + 1;
}

static int grow_table(struct sequence_table *s)
{
        size_t cap = s->cap ? s->cap * 2 : CAP_MIN;
        struct sequence_entry *list = realloc(s->list, cap * sizeof *list);
        if (!list)
                return -1;
        s->list = list;
        uint32_t *advanced = realloc(s->advanced, cap * sizeof *advanced);
        if (!advanced)
                return -1;
        s->advanced = advanced;
        uint32_t *index = calloc(cap * 2, sizeof *index);
        if (!index)
                return -1;
        free(s->index);
        s->index = index;
        s->index_cap = cap * 2;
        s->cap = cap;
        for (size_t i = 0; i < s->n; i++)
                index_entry(s, i);
        return 0;
}

/* A linear search: a service has few topics. */
static int intern_topic(struct sequence_table *s, struct span topic, uint32_t *ret)
{
        for (size_t i = s->n_names; i > 0; i--)
                if (span_eq(s->names[i - 1], topic)) {
                        *ret = (uint32_t)(i - 1);
                        return 0;
                }
        struct span *names = realloc(s->names, (s->n_names + 1) * sizeof *names);
        if (!names)
                return -1;
        s->names = names;
        char *copy = malloc(topic.len + 1);
        if (!copy)
                return -1;
        if (topic.len)
                memcpy(copy, topic.ptr, topic.len);
        names[s->n_names] = (struct span){ copy, topic.len };
        *ret = (uint32_t)s->n_names++;
        return 0;
}

/* Removes what is forgotten, and closes the gaps. -1: out of memory. */
static int remove_forgotten(struct sequence_table *s)
{
        uint32_t *to = calloc(s->n + 1, sizeof *to);
        size_t n = 0;
        if (!to)
                return -1;
        for (size_t i = 0; i < s->n; i++) {
                to[i] = (uint32_t)n;
                if (!s->list[i].forgotten || s->list[i].advanced)
                        s->list[n++] = s->list[i];
        }
        for (size_t i = 0; i < s->n_advanced; i++)
                s->advanced[i] = to[s->advanced[i]];
        free(to);
        s->n = n;
        s->latest = 0;
        memset(s->index, 0, s->index_cap * sizeof *s->index);
        for (size_t i = 0; i < s->n; i++)
                index_entry(s, i);
        return 0;
}

static int add_entry(struct sequence_table *s, int32_t results_no, struct span topic,
                     int32_t partition)
{
        if (s->n == s->max && remove_forgotten(s) < 0)
                return -1;
        if (s->n == s->max)
                return SEQUENCE_TABLE_FULL;
        uint32_t name;
        if ((s->n == s->cap && grow_table(s) < 0) || intern_topic(s, topic, &name) < 0)
                return -1;
        s->list[s->n] = (struct sequence_entry){ .results_no = results_no,
                                                 .partition = partition,
                                                 .topic = name };
        index_entry(s, s->n);
        s->latest = s->n++;
        return SEQUENCE_FOUND;
}

int sequence_table_get(struct sequence_table *s, int32_t results_no, struct span topic,
                       int32_t partition, struct sequence_entry **ret)
{
        if (s->latest >= s->n ||
            !is_entry_of(s, &s->list[s->latest], results_no, topic, partition)) {
                size_t found = SIZE_MAX, mask = s->index_cap - 1;
                for (size_t i = s->n ? hash_of(s, results_no, topic, partition) & mask : 0;
                     s->n && s->index[i]; i = (i + 1) & mask)
                        if (is_entry_of(s, &s->list[s->index[i] - 1], results_no, topic,
                                        partition)) {
                                found = s->index[i] - 1;
                                break;
                        }
                if (found == SIZE_MAX) {
                        int rc = add_entry(s, results_no, topic, partition);
                        if (rc)
                                return rc;
                } else {
                        s->latest = found;
                }
        }
        *ret = &s->list[s->latest];
        (*ret)->forgotten = false;
        return SEQUENCE_FOUND;
}

void sequence_table_advance(struct sequence_table *s, struct sequence_entry *x, int64_t sequence)
{
        if (!x->advanced)
                s->advanced[s->n_advanced++] = (uint32_t)(x - s->list);
        x->advanced = true;
        x->sequence = sequence;
}

void sequence_table_forget(struct sequence_table *s, int32_t results_no)
{
        for (size_t i = 0; i < s->n; i++)
                if (s->list[i].results_no == results_no) {
                        s->list[i].stored = s->list[i].sequence = 0;
                        s->list[i].forgotten = true;
                }
}

void sequence_table_end(struct sequence_table *s, bool commit)
{
        for (size_t i = 0; i < s->n_advanced; i++) {
                struct sequence_entry *x = &s->list[s->advanced[i]];
                x->advanced = false;
                if (commit)
                        x->stored = x->sequence;
                else
                        x->sequence = x->stored;
        }
        s->n_advanced = 0;
}
