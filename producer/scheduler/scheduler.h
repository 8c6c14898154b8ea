/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The scheduler's loop: who leads does the duties of the leader, everybody else is on standby. */
#include "base/err.h"

struct daemon;

/* Runs until the daemon stops. 0, or -1 when it could not start at all (ERR_FATAL). */
int scheduler_run(struct daemon *d, struct err *e) MUST_CHECK;
