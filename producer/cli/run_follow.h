/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "run_ref.h"

#include "ledger/ledger.h"

/* Follows a run until it is closed, showing progress on standard error. timeout_ms < 0: no limit.
 * The exit code tells the end: 0 succeeded, 1 completed with errors or failed, 7 refused, cancelled
 * or held for review, 6 the time was over first. */
int run_follow(struct cli *c, const struct run_ref *r, int64_t timeout_ms) MUST_CHECK;
/* The exit code of a run's state, CODE_OK for an open one. */
int run_state_code(enum run_state state);
