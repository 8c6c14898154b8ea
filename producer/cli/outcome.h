/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Outcomes of ad-hoc tasks: waited for, and printed. */
#include "task_request.h"

/* Waits for the outcome of one task: 0 and its row (columns task_id, type, subject, item, outcome,
 * reason, before, after, at, dry_run, actor, attempt), or an exit code after saying why. */
int outcome_wait(struct cli *c, const struct task_request *q, int64_t timeout_ms,
                 struct db_result **ret) MUST_CHECK;
/* "LABEL: applied: reason (before → after)", from a row with the columns outcome and, perhaps,
 * reason, before and after. */
void outcome_print(const struct cli *c, const char *label, const struct db_result *r);
/* The same of any row, without the label. */
void outcome_print_row(const struct cli *c, const struct db_result *r, int row);
/* Is the row, with the columns type, subject, item and dry_run, about that very task? Ids may have
 * been used for another one. */
bool outcome_is_of(const struct db_result *r, int row, const struct task_request *q);
/* 0 applied (or, of a proposal, send), 7 skipped, else 1. */
int outcome_code(const char *outcome);
