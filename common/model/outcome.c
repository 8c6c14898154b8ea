/* SPDX-License-Identifier: Apache-2.0 */
/* The names of outcomes, in messages, SQL and output. */
#include "model/outcome.h"

static const char *const names[OUTCOME_COUNT] = {
        [OUTCOME_APPLIED] = "applied", [OUTCOME_SKIPPED] = "skipped",
        [OUTCOME_FAILED] = "failed",   [OUTCOME_QUARANTINED] = "quarantined",
        [OUTCOME_UNKNOWN] = "unknown",
};

const char *outcome_name(enum outcome o)
{
        return (unsigned)o < OUTCOME_COUNT ? names[o] : "?";
}

bool outcome_parse(struct span name, enum outcome *ret)
{
        for (int i = 0; i < OUTCOME_COUNT; i++)
                if (span_is(name, names[i])) {
                        *ret = (enum outcome)i;
                        return true;
                }
        return false;
}
