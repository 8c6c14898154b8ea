/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whether an error that a loop meets again and again is to be logged: when it is another one than
 * before, and once a minute while it lasts. */
#include "base/err.h"

#include <stdint.h>

struct trouble {
        char text[256]; /* as it was logged, perhaps cut; "": none */
        int64_t logged_ms;
};

/* True: log it. `now_ms` is monotonic. */
bool trouble_is_news(struct trouble *t, const struct err *e, int64_t now_ms);

/* True: one had been logged, and it is over. */
bool trouble_is_over(struct trouble *t);
