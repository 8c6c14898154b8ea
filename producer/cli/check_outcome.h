/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "finding.h"

/* Outcomes that stand in the statement as constants: each must be one that the type's action knows.
 * False after a finding. */
bool check_outcome_words(struct check *k, const struct task_type *t);
