/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The second transaction of a batch, and those around it: for what was PENDING. */
#include "transaction.h"

/* Writes what the actions outside the database came to, for entries in state ACTED, whose outcome,
 * reason and attempt have been set; and runs the statements of PENDING ones of SQL types. They
 * become DONE or PARKED; what was DONE, PARKED or DEAD before is forgotten. An enum
 * transaction_end, or -1. */
int settle_batch(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Commits that PENDING entries are about to be acted upon once more: their attempt is counted,
 * their row is an intent. Without it a database that takes small writes but not the outcomes would
 * let the same mail out again and again, uncounted. Not for SQL types, whose try is one transaction
 * with its outcome. 0, TRANSACTION_FENCED, -1. */
int settle_intend(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Runs the statements of PENDING entries again whose result is not at hand (after a takeover, or a
 * while), and rolls back: sets row_of and row where there is still something to do; the others are
 * ACTED. Leaves those of SQL types alone. The batch has been grouped. 0, TRANSACTION_TOO_LARGE, -1.
 */
int settle_reevaluate(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
