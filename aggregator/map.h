/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A hash map whose entries and table live in an arena: nothing is freed or removed before the arena
 * is reset. The first member of each entry is its hash.
 */
#include "base/arena.h"

struct map {
        uint64_t **slots; /* each points at an entry, whose first member is the hash; NULL: free */
        size_t cap, n;    /* cap is a power of two, at most half full */
};

typedef bool (*map_same)(const void *entry, const void *key);

/* The entry of `key`, or NULL. */
void *map_find(const struct map *m, uint64_t hash, map_same same, const void *key);
/* Adds an entry that the map does not have yet. False: the arena is full; nothing changed. */
bool map_add(struct map *m, struct arena *a, void *entry);

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);
uint64_t hash_number(uint64_t seed, uint64_t v);
