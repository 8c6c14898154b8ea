#pragma once
/* A type's statement for one subject, as the workers compose it, run and rolled back: what a command proposes. */
#include "args.h"
#include "ledger/compose.h"

/* In a transaction of its own with the pack's search path. `given[i]` is argument i as text or NULL. `ret`: one row with the columns of VARIANT_TRIAL. */
int trial_run(struct db *d, const struct task_type *type, const struct run_values *v, const char *subject, const char *item, const char *const *given,
              struct db_result **ret, struct err *e) MUST_CHECK;
