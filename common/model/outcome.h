/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How a task ended. */
#include "base/buf.h"

/* The values are the codes in the database (rollcall.outcome_name, which has more for tasks that
 * are not done yet) and the symbols of the schema rollcall.OutcomeKind. */
enum outcome {
        OUTCOME_APPLIED = 0,
        OUTCOME_SKIPPED,
        OUTCOME_FAILED,
        OUTCOME_QUARANTINED,
        OUTCOME_UNKNOWN, /* whether it took effect cannot be found out, and the policy is to hold it
                          */
        OUTCOME_COUNT,
};

const char *outcome_name(enum outcome o); /* "applied"; "?" outside the enum */
/* False: there is no such name; `ret` is unchanged. */
bool outcome_parse(struct span name, enum outcome *ret);
