/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the states of parked tasks. */
#include "model/held_state.h"

static const char *const names[HELD_STATE_COUNT] = {
        [HELD_RETRY] = "retry",     [HELD_QUARANTINED] = "quarantined", [HELD_WAITING] = "waiting",
        [HELD_BEHIND] = "behind",   [HELD_REPLAY] = "replay",           [HELD_DROP] = "drop",
        [HELD_UNKNOWN] = "unknown", [HELD_RECORD] = "record",
};

const char *held_state_name(enum held_state s)
{
        return names[s];
}
