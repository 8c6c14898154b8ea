/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The plan's rows of one task type. */
#include "planning.h"

/* One row for each that the type's due statement returns. */
int plan_due(struct planning *p, const struct job_task *t, const struct run_values *v,
             struct err *e) MUST_CHECK;
/* A run-level task: one row, whose subject is the run. */
int plan_run_scope(struct planning *p, const struct job_task *t, struct err *e) MUST_CHECK;
