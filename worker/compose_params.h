#pragma once
/* A unit's tasks as the parameters of its composed statement. */
#include "batch.h"
#include "source.h"

/* Parameters for list[0..n) of a unit, in the order that the composed statement wants.
 * `values->now`: the run's instant, or INSTANT_NONE for ad-hoc tasks. */
int compose_params(const struct composed *c, const struct unit *u, struct entry *const *list,
                   size_t n, const struct sources *sources, const struct run_values *values,
                   struct db_params *p, struct err *e) MUST_CHECK;

/* A run's day, or that of the ad-hoc rows when `run` is NULL, as text. */
void run_day(const struct run *run, char text[16]);
/* Adds the day (text) and the number of a run's rows in the ledger; of the ad-hoc rows when `run`
 * is NULL. */
void add_run_key(const struct run *run, struct db_params *p);

/* Adds an ad-hoc task's arguments, as JSON, to an array of texts. -1: out of memory. */
int add_arguments(const struct task *t, struct db_params *p, struct err *e) MUST_CHECK;
