/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A run as operators name it. */
#include "cli.h"

struct run_ref {
        int64_t run_no;
        char id[UUID_TEXT_LEN + 1];
};

/* By id, unambiguous prefix (at least 4 characters) or job name (its newest run). 0, or an exit
 * code after saying why. */
int run_find(struct cli *c, const char *text, struct run_ref *ret) MUST_CHECK;
