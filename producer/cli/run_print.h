/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "run_ref.h"

struct run_show {
        bool missing; /* list them */
        /* list the subjects with this one; NULL: failed, quarantined and unknown ones */
        const char *outcome;
        int64_t limit; /* length of each list */
};
/* Prints all about a run, as a text or as JSON. */
int run_print(struct cli *c, const struct run_ref *r, const struct run_show *show) MUST_CHECK;
