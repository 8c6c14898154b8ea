/* SPDX-License-Identifier: Apache-2.0 */
/* The wait before the next attempt. */
#include "retry.h"

int64_t retry_delay_ms(const struct retry_policy *p, int tries)
{
        int64_t limit = p->base_ms;
        for (int i = 1; i < tries && limit < p->max_ms; i++)
                limit *= 2;
        if (limit > p->max_ms)
                limit = p->max_ms;
        int64_t least = p->patient ? limit / 2 : 0;
        return least + (int64_t)((uint64_t)p->random() * ((uint64_t)(limit - least) + 1) >> 32);
}
