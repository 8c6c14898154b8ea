/* SPDX-License-Identifier: Apache-2.0 */
/* Notices that statements raise, counted by task type. */
#include "notices.h"

#include "base/utf8.h"

#include <stdio.h>

void notices_add(struct notices *x, const struct task_type *type, size_t n, const char *first)
{
        size_t i = 0;
        while (i < x->n && x->list[i].type != type)
                i++;
        if (i == x->n && x->n == NOTICES_TYPES)
                return;
        struct notice *k = &x->list[i];
        if (i == x->n) {
                x->n++;
                *k = (struct notice){ .type = type };
        }
        if (k->n == 0) {
                snprintf(k->first, sizeof k->first, "%s", first);
                utf8_clean(k->first);
        }
        k->n += n;
}

const struct notice *notices_next(struct notices *x, int64_t now_ms, size_t *ret_n)
{
        for (size_t i = 0; i < x->n; i++) {
                struct notice *k = &x->list[i];
                if (k->n == 0 || (k->logged_ms && now_ms - k->logged_ms < NOTICE_EVERY_MS))
                        continue;
                *ret_n = k->n;
                k->n = 0;
                k->logged_ms = now_ms;
                return k;
        }
        return NULL;
}
