/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What `rollcall check` finds. Each finding is printed when it is made; the check continues
 * after failures. */
#include "output.h"

struct check {
        struct cli *cli;
        bool offline; /* neither Kafka nor the mail relay */
        size_t passed, failed;
        json_t *findings; /* with --json: printed as one document at the end; else NULL */
};

/* "ok   what: where: text"; `where` may be "". */
void check_ok(struct check *k, const char *what, const char *where, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
/* Worth knowing, and no fault: counted as neither. */
void check_note(struct check *k, const char *what, const char *where, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
void check_fail(struct check *k, const char *what, const char *where, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
