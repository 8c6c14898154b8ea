/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A group's tasks as the parameters of its composed statement. */
#include "batch.h"
#include "lane_partition.h"

/* Parameters for list[0..n) of a group, in the order that the composed statement wants.
 * `values->now`: the run's instant, or INSTANT_NONE for ad-hoc tasks. */
int task_params_group(const struct composed *c, const struct statement_group *g,
                      struct entry *const *list, size_t n, const struct lane_partitions *partitions,
                      const struct run_values *values, struct db_params *p, struct err *e)
        MUST_CHECK;

/* A run's day, or that of the ad-hoc rows when `run` is NULL, as text. */
void task_params_run_day(const struct run *run, char text[16]);
/* Adds the day (text) and the number of a run's rows in the ledger; of the ad-hoc rows when `run`
 * is NULL. */
void task_params_run_key(const struct run *run, struct db_params *p);

/* Adds an ad-hoc task's arguments, as JSON, to an array of texts. -1: out of memory. */
int task_params_arguments(const struct task *t, struct db_params *p, struct err *e) MUST_CHECK;
