/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages that cannot be taken, as rows of rollcall.dead_letter. */
#include "transaction.h"

/* Shortens DEAD entries whose originals are too large to be kept. */
int dead_letters_shorten(struct batch *b, struct err *e) MUST_CHECK;
/* Queues, in a pipeline, the statement that adds the batch's DEAD entries. */
int dead_letters_queue(struct transactor *t, const struct batch *b, struct err *e) MUST_CHECK;
/* REPEATED ad-hoc entries whose id the ledger has for another task become DEAD, and are added. */
int dead_letters_refuse_reused(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
