/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The `record` statements of mails and other actions outside the database, after they were done. */
#include "recover.h"
#include "transaction.h"

/* In the settling transaction: records the group's entries that were accepted. Those for which it
 * fails stay applied, and are PARKED_RECORD. */
int record_group(struct transactor *t, struct batch *b, const struct statement_group *g,
                 struct err *e) MUST_CHECK;

/* Fills the (reset) batch with what is to be recorded now of position `index`, as DONE. Gives their
 * number. */
int record_due(struct recovery *rec, int index, struct batch *b, struct err *e) MUST_CHECK;
/* Records them, in a transaction of its own; the batch has been grouped. 0, TRANSACTION_FENCED, -1.
 */
int record_batch(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
