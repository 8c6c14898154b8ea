/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How many subjects a run of a job would plan, before it is requested. */
#include "output.h"

#include "ledger/ledger.h"
#include "pack/statement.h"

struct extent {
        size_t n;
        struct extent_kind {
                const struct task_type *type;
                bool once; /* scope "run": one task for the whole run */
                int64_t count;
        } *kinds;                     /* those that are not dry */
        int64_t population;           /* -1: the job does not say */
        struct setting_value *expect; /* the same, as the request takes it */
};

/* Runs the due statements of `j` as counts, with these very values, and its population statement.
 * `memory` owns the result. 0, or an exit code after saying why. */
int extent_count(struct cli *c, const struct job *j, const struct run_values *v,
                 struct arena *memory, struct extent *ret) MUST_CHECK;
/* On standard error: how many of how many, by kind. */
void extent_print(const struct extent *x);
/* "1,234" */
void number_format(int64_t n, char text[32]);
