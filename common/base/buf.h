/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growing byte buffer with a hard maximum. An append past the maximum, or out of memory, sets
 * `failed`, drops that append and every later one; the writer checks once, at the end. The content
 * is always followed by a NUL that is not counted.
 */
#include "base/cleanup.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
        char *data; /* owned; never NULL after the first append */
        size_t len;
        size_t cap;
        size_t max; /* bytes; set by buf_init */
        bool failed;
        /* failed for lack of memory, not for its maximum: the content is not to blame */
        bool oom;
};

/* A piece of text that somebody else owns; not NUL-terminated. ptr NULL means "absent". */
struct span {
        const char *ptr;
        size_t len;
};

#define SPAN_LIT(s) ((struct span){ (s), sizeof(s) - 1 })
#define SPAN_FMT(s) (int)(s).len, (s).ptr /* for "%.*s" */

struct span span_of(const char *s); /* of a C string; NULL gives an absent span */
bool span_eq(struct span a, struct span b);
bool span_is(struct span a, const char *s);
/* Byte by byte, then by length: below, equal to or above 0. */
int span_cmp(struct span a, struct span b);

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b); /* fine to call twice, and on a zeroed struct */
void buf_reset(struct buf *b);  /* forgets the content and the failure, keeps the memory */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_add_span(struct buf *b, struct span s);
/* after appending from `part`: a failure of `part` becomes a failure of b */
void buf_merge_failure(struct buf *b, const struct buf *part);
/* room for `len` bytes, counted at once; NULL when it failed */
void *buf_grow(struct buf *b, size_t len);
const char *buf_str(const struct buf *b); /* "" when empty */

#define BUF_CLEANUP CLEANUP(buf_deinit)
