/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How often, and how far apart, a task that fails by its own fault is tried. Pure. */
#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
        int64_t attempts, base_ms, max_ms;
        bool patient; /* never less than half of the longest wait */
        uint32_t (*random)(void);
};

/* Exponential backoff with full jitter: 0 to base * 2^(tries - 1), at most max. `tries` failed so
 * far, from 1. Pure but for p->random. */
int64_t retry_delay_ms(const struct retry_policy *p, int tries);
