/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "args.h"

/* Asks before tasks are submitted: on a terminal, and of a destructive type everywhere, so that
 * without a terminal --yes is needed. 0: yes, or an exit code. */
int submit_confirm(const struct args *a, const struct task_type *type, bool dry_run,
                   const char *question) MUST_CHECK;
