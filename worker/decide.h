/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The first transaction of a batch: moves the positions by compare-and-set, runs the statements of
 * the batch's groups, writes outcomes, intents, dead letters, parked tasks and progress. A pack's
 * statement that fails is bisected until the failing task stands alone; the others are decided.
 * Only the server's own state (db_server_state) ends the whole batch, which is then retried.
 */
#include "transaction.h"

/* An enum transaction_end, or -1. The batch has been grouped. */
int decide_batch(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
