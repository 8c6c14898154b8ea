/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Requested runs: whether they may start, their planners, and what the planning came to. */
#include "context.h"

struct admission;

int admission_new(struct context *c, struct admission **ret, struct err *e) MUST_CHECK;
void admission_free(struct admission *a); /* waits for the planners */
DEFINE_CLEANUP(admission_cleanup, struct admission, admission_free)

/* Requested runs are refused, given to a planner, or have to wait. */
int admission_start(struct admission *a, struct err *e) MUST_CHECK;
/* Planners that have ended: their runs are planned, refused, failed, or planned again later. */
int admission_collect(struct admission *a, struct err *e) MUST_CHECK;

/* A planner of that run is at work, or not collected yet. */
bool admission_plans(const struct admission *a, int64_t run_no);
bool admission_busy(const struct admission *a); /* the same, of any run */
/* Requests all planners to end; what was planned in part is rolled back. */
void admission_stop(struct admission *a);
bool admission_stopped(struct admission *a); /* they have ended; frees those that have */
