/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed as a whole: blocks with a limit, kept for the next round. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
        BLOCK_MIN = 64 * 1024,
        KEPT_MAX = 8 * 1024 * 1024 /* by a reset: what a large batch took is given back */
};

struct block {
        struct block *next;
        size_t cap, used;
        alignas(max_align_t) char data[];
};

struct arena {
        struct block *first, *current;
        size_t max, total; /* bytes of all blocks */
        bool oom;
};

struct arena *arena_new(size_t max)
{
        struct arena *a = calloc(1, sizeof *a);
        if (a)
                a->max = max;
        return a;
}

void arena_free(struct arena *a)
{
        if (!a)
                return;
        for (struct block *b = a->first, *next; b; b = next) {
                next = b->next;
                free(b);
        }
        free(a);
}

bool arena_oom(const struct arena *a)
{
        return a->oom;
}

void arena_reset(struct arena *a)
{
        size_t kept = 0;
        for (struct block **at = &a->first, *b; (b = *at);) {
                b->used = 0;
                if (kept + b->cap <= KEPT_MAX) {
                        kept += b->cap;
                        at = &b->next;
                } else {
                        *at = b->next;
                        free(b);
                }
        }
        a->total = kept;
        a->current = a->first;
}

static struct block *add_block(struct arena *a, size_t size)
{
        size_t cap = size > BLOCK_MIN ? size : BLOCK_MIN;
        if (cap > a->max || a->total > a->max - cap)
                return NULL;
        struct block *b = malloc(sizeof *b + cap);
        a->oom = !b;
        if (!b)
                return NULL;
        *b = (struct block){ .cap = cap };
        a->total += cap;
        if (a->current) {
                b->next = a->current->next;
                a->current->next = b;
        } else {
                a->first = b;
        }
        return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
        size_t align = alignof(max_align_t);
        if (size > a->max)
                return NULL;
        size = (size + align - 1) & ~(align - 1);
        while (a->current && a->current->cap - a->current->used < size && a->current->next)
                a->current = a->current->next;
        if (!a->current || a->current->cap - a->current->used < size) {
                struct block *b = add_block(a, size);
                if (!b)
                        return NULL;
                a->current = b;
        }
        void *p = a->current->data + a->current->used;
        a->current->used += size;
        return memset(p, 0, size);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
        char *p = arena_alloc(a, len + 1);
        if (p && len)
                memcpy(p, s, len);
        return p;
}

struct span arena_span(struct arena *a, struct span s)
{
        if (!s.ptr)
                return (struct span){ 0 };
        char *p = arena_strndup(a, s.ptr, s.len);
        return (struct span){ p, p ? s.len : 0 };
}
