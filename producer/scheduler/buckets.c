/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket is one buffer: the lengths of subject and item, then both, row after row. */
#include "buckets.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTHS = 2 * sizeof(uint16_t) };

struct bucket {
        struct buf rows;
        size_t n;
        bool items;
};

struct buckets {
        struct bucket_limits limits;
        size_t rows, bytes; /* of all */
        int n;
        struct bucket list[];
};

int buckets_new(int n, const struct bucket_limits *limits, struct buckets **ret, struct err *e)
{
        struct buckets *b = calloc(1, sizeof *b + (size_t)n * sizeof b->list[0]);
        if (!b)
                return err_oom(e);
        b->limits = *limits;
        b->n = n;
        for (int i = 0; i < n; i++)
                buf_init(&b->list[i].rows, SIZE_MAX / 4);
        *ret = b;
        return 0;
}

void buckets_free(struct buckets *b)
{
        if (!b)
                return;
        for (int i = 0; i < b->n; i++)
                buf_deinit(&b->list[i].rows);
        free(b);
}

static int fullest(const struct buckets *b)
{
        int full = 0;
        for (int i = 1; i < b->n; i++)
                if (b->list[i].rows.len > b->list[full].rows.len)
                        full = i;
        return full;
}

int buckets_add(struct buckets *b, int i, struct span subject, struct span item, int *ret_full,
                struct err *e)
{
        struct bucket *k = &b->list[i];
        const uint16_t lengths[2] = { (uint16_t)subject.len, (uint16_t)item.len };
        size_t size = LENGTHS + subject.len + item.len;
        char *at = buf_grow(&k->rows, size);
        if (!at)
                return err_oom(e);
        memcpy(at, lengths, LENGTHS);
        memcpy(at + LENGTHS, subject.ptr, subject.len);
        if (item.len)
                memcpy(at + LENGTHS + subject.len, item.ptr, item.len);
        k->items |= item.len > 0;
        k->n++;
        b->rows++;
        b->bytes += size;
        bool too_much = b->rows >= b->limits.rows || b->bytes >= b->limits.bytes;
        *ret_full = k->n >= b->limits.chunk ? i : too_much ? fullest(b) : -1;
        return 0;
}

int buckets_next(const struct buckets *b, int i)
{
        for (; i < b->n; i++)
                if (b->list[i].n)
                        return i;
        return -1;
}

/* Its memory is given back: another bucket may need it. */
void buckets_empty(struct buckets *b, int i)
{
        struct bucket *k = &b->list[i];
        b->rows -= k->n;
        b->bytes -= k->rows.len;
        buf_deinit(&k->rows);
        k->n = 0;
        k->items = false;
}

size_t buckets_rows(const struct buckets *b, int i)
{
        return b->list[i].n;
}

bool buckets_have_items(const struct buckets *b, int i)
{
        return b->list[i].items;
}

bool buckets_walk(const struct buckets *b, int i, struct bucket_walk *w, struct span *ret_subject,
                  struct span *ret_item)
{
        const struct buf *rows = &b->list[i].rows;
        uint16_t lengths[2];
        if (w->at == rows->len)
                return false;
        memcpy(lengths, rows->data + w->at, LENGTHS);
        const char *text = rows->data + w->at + LENGTHS;
        *ret_subject = (struct span){ text, lengths[0] };
        *ret_item = (struct span){ text + lengths[0], lengths[1] };
        w->at += (size_t)LENGTHS + lengths[0] + lengths[1];
        return true;
}
