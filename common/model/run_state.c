/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the states of a run, and what they mean. */
#include "model/run_state.h"

#include <stddef.h>

static const struct {
        const char *name;
        bool open, well;
} states[RUN_STATE_COUNT] = {
        [RUN_REQUESTED] = { "requested", true, true },
        [RUN_PLANNED] = { "planned", true, true },
        [RUN_HELD] = { "held for review", true, false },
        [RUN_PUBLISHED] = { "published", true, true },
        [RUN_SUCCEEDED] = { "succeeded", false, true },
        [RUN_COMPLETED_WITH_ERRORS] = { "completed with errors", false, false },
        [RUN_FAILED] = { "failed", false, false },
        [RUN_CANCELLED] = { "cancelled", false, false },
        [RUN_REFUSED] = { "refused", false, false },
};

const char *run_state_name(enum run_state s)
{
        return states[s].name;
}

bool run_state_open(enum run_state s)
{
        return states[s].open;
}

bool run_state_well(enum run_state s)
{
        return states[s].well;
}

static bool same_words(const char *a, const char *b)
{
        while (*a && (*a == *b || (*a == '-' && *b == ' '))) {
                a++;
                b++;
        }
        return *a == *b;
}

bool run_state_parse(const char *name, enum run_state *ret)
{
        for (size_t i = 0; i < RUN_STATE_COUNT; i++)
                if (same_words(name, states[i].name)) {
                        *ret = (enum run_state)i;
                        return true;
                }
        return false;
}
