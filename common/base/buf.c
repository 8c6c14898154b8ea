/* SPDX-License-Identifier: Apache-2.0 */
/* Growing bytes with a limit, and spans. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct span span_of(const char *s)
{
        return (struct span){ s, s ? strlen(s) : 0 };
}

bool span_eq(struct span a, struct span b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool span_is(struct span a, const char *s)
{
        return span_eq(a, span_of(s));
}

int span_cmp(struct span a, struct span b)
{
        size_t len = a.len < b.len ? a.len : b.len;
        int c = len ? memcmp(a.ptr, b.ptr, len) : 0;
        return c ? c : (a.len > b.len) - (a.len < b.len);
}

void buf_init(struct buf *b, size_t max)
{
        *b = (struct buf){ .max = max };
}

void buf_deinit(struct buf *b)
{
        free(b->data);
        *b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
        b->len = 0;
        b->failed = b->oom = false;
        if (b->data)
                b->data[0] = '\0';
}

static bool reserve(struct buf *b, size_t len)
{
        if (b->failed)
                return false;
        if (len > b->max || b->len > b->max - len) {
                b->failed = true;
                return false;
        }
        size_t need = b->len + len + 1;
        if (need <= b->cap)
                return true;
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
                cap *= 2;
        char *data = realloc(b->data, cap);
        if (!data) {
                b->failed = b->oom = true;
                return false;
        }
        b->data = data;
        b->cap = cap;
        return true;
}

void *buf_grow(struct buf *b, size_t len)
{
        if (!reserve(b, len))
                return NULL;
        char *at = b->data + b->len;
        b->len += len;
        b->data[b->len] = '\0';
        return at;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
        char *at = buf_grow(b, len);
        if (at && len)
                memcpy(at, data, len);
}

void buf_adds(struct buf *b, const char *s)
{
        buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
        buf_add(b, &c, 1);
}

void buf_add_span(struct buf *b, struct span s)
{
        buf_add(b, s.ptr, s.len);
}

void buf_merge_failure(struct buf *b, const struct buf *part)
{
        if (b->failed || !part->failed)
                return;
        b->failed = true;
        b->oom = part->oom;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
        va_list ap, again;
        va_start(ap, fmt);
        va_copy(again, ap);
        int n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0)
                b->failed = true;
        else if (reserve(b, (size_t)n)) {
                vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
                b->len += (size_t)n;
        }
        va_end(again);
}

const char *buf_str(const struct buf *b)
{
        return b->data ? b->data : "";
}
