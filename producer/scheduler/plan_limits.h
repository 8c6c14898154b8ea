/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Does a plan need a review before anything of it is published? */
#include "planning.h"

/* `why`: the reason for a review of the plan that was written; "": it needs none. Sets
 * p->population. */
int plan_review(struct planning *p, const struct run_values *v, char *why, size_t max,
                struct err *e) MUST_CHECK;
