/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the transactions of a batch know, find and write about paused types: see pauses.h. */
#include "transaction.h"

/* Before a transaction: groups of paused types are passed over; statements are prepared, and a type
 * for which that fails is paused. */
int type_pauses_ready(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* After the parts of one group: decides whether its type is to be paused, and passes its later
 * groups over. `first_tries`: of tasks that had not been tried before. */
void type_pauses_end_group(struct transactor *t, struct batch *b, size_t group, bool first_tries);
/* Writes pauses of types that were found in a batch's transaction, or outside of one (`b` NULL). */
int type_pauses_write(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* On a new connection: reads which types are paused. */
int type_pauses_read(struct transactor *t, struct err *e) MUST_CHECK;
/* After the commit: logs which types it has paused. */
void type_pauses_log_committed(struct transactor *t, enum lane lane);
