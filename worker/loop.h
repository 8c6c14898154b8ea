/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The loop of one lane worker: a thread that serves one lane as a member of its consumer group,
 * with a database connection and a producer of its own. Threads share nothing but the
 * configuration, which nobody changes.
 */
#include "lane_worker.h"

/* Runs until the daemon stops. 0, or -1 when it could not start at all (ERR_FATAL: configuration,
 * schema, a pack's statement). */
int loop_run(const struct lane_worker_options *o, struct err *e) MUST_CHECK;
