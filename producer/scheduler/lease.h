/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who leads among several schedulers: a row of rollcall.lease, by the database's clock. The epoch
 * grows with every change of holder. A leader's transactions end with lease_commit, so that one
 * that was paused past its lease changes nothing.
 */
#include "db/db.h"

/* Beside 0 and -1: another scheduler leads, and nothing was changed. */
enum { LEAD_LOST = 1 };

struct lease {
        char holder[128];
        int64_t epoch; /* 0: not leading */
        int64_t length_ms, renewed_ms;
};

/* Takes a free or expired lease, or renews our own when a third of it is over. Uses a connection of
 * its own: it is called while others are inside a transaction. `ret_leading` may be NULL. */
int lease_keep(struct lease *l, struct db *d, bool *ret_leading, struct err *e) MUST_CHECK;
/* The last statement of a transaction: the lease stays ours until its commit. 0; LEAD_LOST: `epoch`
 * is 0 now; -1. */
int lease_check(struct lease *l, struct db *d, struct err *e) MUST_CHECK;
/* Checks the lease and commits the transaction. 0; LEAD_LOST: it is rolled back; -1. */
int lease_commit(struct lease *l, struct db *d, struct err *e) MUST_CHECK;
void lease_release(struct lease *l, struct db *d);
