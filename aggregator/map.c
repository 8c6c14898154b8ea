/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; the table doubles when it is half full. */
#include "aggregator/map.h"

#include <string.h>

enum { CAP_MIN = 256 };

/* Multiplies and combines the halves by XOR, as wyhash does: every bit of the input changes every
 * bit of the result. */
uint64_t hash_number(uint64_t seed, uint64_t v)
{
        __extension__ typedef unsigned __int128 wide;
        wide product = (wide)(seed ^ v ^ UINT64_C(0x9e3779b97f4a7c15)) *
                       UINT64_C(0xd6e8feb86659fd93);
        return (uint64_t)product ^ (uint64_t)(product >> 64) ^ seed;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
        const char *p = data;
        uint64_t h = hash_number(seed, len), word;
        for (; len >= sizeof word; p += sizeof word, len -= sizeof word) {
                memcpy(&word, p, sizeof word);
                h = hash_number(h, word);
        }
        word = 0;
        if (len)
                memcpy(&word, p, len);
        return hash_number(h, word);
}

void *map_find(const struct map *m, uint64_t hash, map_same same, const void *key)
{
        if (!m->cap)
                return NULL;
        for (size_t i = hash & (m->cap - 1); m->slots[i]; i = (i + 1) & (m->cap - 1))
                if (*m->slots[i] == hash && same(m->slots[i], key))
                        return m->slots[i];
        return NULL;
}

static void put_entry(struct map *m, uint64_t *entry)
{
        size_t i = *entry & (m->cap - 1);
        while (m->slots[i])
                i = (i + 1) & (m->cap - 1);
        m->slots[i] = entry;
}

bool map_add(struct map *m, struct arena *a, void *entry)
{
        if (m->n * 2 >= m->cap) {
                struct map grown = { .cap = m->cap ? m->cap * 2 : CAP_MIN, .n = m->n };
                grown.slots = arena_alloc(a, grown.cap * sizeof *grown.slots);
                if (!grown.slots)
                        return false;
                for (size_t i = 0; i < m->cap; i++)
                        if (m->slots[i])
                                put_entry(&grown, m->slots[i]);
                *m = grown;
        }
        put_entry(m, entry);
        m->n++;
        return true;
}
