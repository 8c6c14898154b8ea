#pragma once
/* The `record` statements of mails and other actions outside the database, after they were done. */
#include "recover.h"
#include "transact.h"

/* In the settling transaction: records the unit's entries that were accepted. Those for which it
 * fails stay applied, and are `unrecorded`. */
int transact_record_unit(struct transactor *t, struct batch *b, const struct unit *u, struct err *e)
        MUST_CHECK;

/* Fills the (reset) batch with what is to be recorded now of source `index`, as DONE. Gives their
 * number. */
int record_due(struct recovery *rec, int index, struct batch *b, struct err *e) MUST_CHECK;
/* Records them, in a transaction of its own; the batch has been divided. 0, TRANSACT_FENCED, -1. */
int transact_records(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
