/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The states of a run. Those of rollcall.run, by the same names. */
#include "base/cleanup.h"

#include <stdbool.h>

enum run_state {
        RUN_REQUESTED,
        RUN_PLANNED,
        RUN_HELD, /* for review: planned, and not published until somebody releases it */
        RUN_PUBLISHED,
        RUN_SUCCEEDED,
        /* some subjects failed, are quarantined, or their outcome is unknown */
        RUN_COMPLETED_WITH_ERRORS,
        RUN_FAILED, /* the run itself could not do its work */
        RUN_CANCELLED,
        RUN_REFUSED,
        RUN_STATE_COUNT
};

const char *run_state_name(enum run_state s);
/* By its name; words may be joined by '-' instead of spaces. False: no such state. */
bool run_state_parse(const char *name, enum run_state *ret) MUST_CHECK;
bool run_state_open(enum run_state s); /* in SQL: rollcall.run_is_open */
bool run_state_well(enum run_state s); /* no reason for a warning */
