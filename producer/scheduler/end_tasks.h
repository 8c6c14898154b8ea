/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a job wants done when a run has closed, or is held for review: on_success, on_failure,
 * on_finish. */
#include "context.h"

/* Inside the transaction that records that the run's end, or with `held` its review, is announced:
 * requests the tasks that follow from it. */
int end_tasks_request(struct context *c, int64_t run_no, bool held, struct err *e) MUST_CHECK;
