/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The rows of a plan, sorted by partition until there are enough of one for a chunk. */
#include "base/buf.h"
#include "base/err.h"

struct buckets;

struct bucket_limits {
        size_t chunk;       /* rows of one bucket */
        size_t rows, bytes; /* of all together */
};

int buckets_new(int n, const struct bucket_limits *limits, struct buckets **ret, struct err *e)
        MUST_CHECK;
void buckets_free(struct buckets *b);
DEFINE_CLEANUP(buckets_cleanup, struct buckets, buckets_free)

/* Adds a row to bucket `i`; texts of at most 64 KiB are copied. `ret_full`: the bucket to be
 * emptied now, because it has a chunk, or all together as much as they may; -1: none. */
int buckets_add(struct buckets *b, int i, struct span subject, struct span item, int *ret_full,
                struct err *e) MUST_CHECK;
/* The first bucket from `i` on that has rows, or -1. */
int buckets_next(const struct buckets *b, int i);
void buckets_empty(struct buckets *b, int i);

size_t buckets_rows(const struct buckets *b, int i);
bool buckets_have_items(const struct buckets *b, int i);

/* Begins zeroed. False: no row is left. The texts live until the bucket changes. */
struct bucket_walk {
        size_t at;
};
bool buckets_walk(const struct buckets *b, int i, struct bucket_walk *w, struct span *ret_subject,
                  struct span *ret_item);
