/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Parked tasks: rows of rollcall.held, in the order in which a subject's tasks have to be done. */
#include "recover.h"
#include "transaction.h"

/* In the transaction of the batch: adds what it parked or quarantined, removes what came to another
 * outcome, and makes due what was blocked by that. */
int parked_write(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;

/* Did the batch's latest transaction park anything? */
bool parked_wrote(const struct batch *b);

/* READY entries whose subject has a parked task in this lane are blocked by it. */
int parked_block(struct db *d, const char *topic, struct batch *b, struct err *e) MUST_CHECK;

/* Has the lane parked tasks, and is any of them due in partitions of ours? One query. */
int parked_look(struct db *d, const char *topic, const struct lane_partitions *partitions,
                bool *ret_any, bool *ret_due, struct err *e) MUST_CHECK;

/* Fills the (reset) batch with what is due of position `index`: PENDING what has to be tried, ACTED
 * what is decided without a try (discarded, or blocked by a quarantined task). Gives their number.
 */
int parked_due(struct recovery *r, int index, struct batch *b, struct err *e) MUST_CHECK;

/* After a claim: what its earlier owner did not know is due. */
int parked_retry_unknown(struct db *d, const struct lane_partition *s, struct err *e) MUST_CHECK;
