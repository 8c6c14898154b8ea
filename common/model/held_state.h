/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The states of a task that is parked in rollcall.held, by the same names. */

enum held_state {
        HELD_RETRY,       /* it failed, and is retried at due_at */
        HELD_QUARANTINED, /* its last attempt failed: an operator decides */
        HELD_WAITING,     /* blocked by a task that is retried; it has no outcome yet */
        HELD_BEHIND,      /* blocked by a quarantined task, and counted as quarantined with it */
        HELD_REPLAY,      /* an operator has requested a retry */
        HELD_DROP,        /* an operator has requested that it be discarded */
        HELD_UNKNOWN,     /* this worker does not know its type or an argument */
        HELD_RECORD,      /* it is done, but the record of its type failed and is retried */
        HELD_STATE_COUNT
};

const char *held_state_name(enum held_state s);
