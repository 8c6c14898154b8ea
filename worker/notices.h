/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What statements say by the way (RAISE NOTICE, warnings): counted by type, so that a line a minute
 * reports any number of them. Pure. */
#include "pack/pack.h"

enum { NOTICES_TYPES = 32, NOTICE_EVERY_MS = 60000, NOTICE_TEXT = 200 };

struct notices {
        struct notice {
                const struct task_type *type;
                size_t n;                /* not logged yet */
                int64_t logged_ms;       /* 0: never */
                char first[NOTICE_TEXT]; /* of those */
        } list[NOTICES_TYPES];           /* types beyond that are not reported */
        size_t n;
};

void notices_add(struct notices *x, const struct task_type *type, size_t n, const char *first);
/* The next that is to be logged now; it counts as logged. NULL: none. */
const struct notice *notices_next(struct notices *x, int64_t now_ms, size_t *ret_n);
