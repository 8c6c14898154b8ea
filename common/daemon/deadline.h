/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A limit for the time that the drain of a daemon takes. */
#include "daemon/daemon.h"

/* From now on: `ms`, three seconds at least, after the first signal the program ends with status 1,
 * whatever it waits for (or restarts, for a reload); three seconds after the second one. */
int daemon_leave_within(struct daemon *d, int64_t ms, struct err *e) MUST_CHECK;
