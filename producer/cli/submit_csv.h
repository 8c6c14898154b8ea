/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "args.h"

/* `rollcall tasks submit --csv`. `fixed`: one value per argument of the type, for rows without
 * their own; NULL: none. 0, or an exit code after saying why. */
int submit_csv(struct cli *c, const struct args *a, const struct task_type *type,
               const char *const *fixed, int64_t timeout_ms) MUST_CHECK;
