/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rows of rollcall.outcome that the worker writes itself, outside of the packs' statements. */
#include "transaction.h"

/* A type that no pack here has still gets its outcome: its name is registered first, outside the
 * transaction. Past TYPES_MAX names it is a dead letter. */
int outcomes_number_types(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Outcomes that no statement gave (state DECIDED): they become DONE or PARKED, or REPEATED where
 * there was one before. */
int outcomes_add(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Those of ACTED entries, in the place of an intent, a wait or a quarantine: they become DONE or
 * PARKED. ERR_RETRY when another worker has been faster with any of them. */
int outcomes_set(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Those of PENDING entries that are acted upon outside the database become intents, with the
 * entry's attempt. The same error. `n`: how many there are. */
int outcomes_intend(struct transactor *t, struct batch *b, size_t n, struct err *e) MUST_CHECK;
/* Is it acted upon outside the database? */
bool outcomes_to_act(const struct entry *en);
