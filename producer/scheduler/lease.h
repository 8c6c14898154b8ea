#pragma once
/*
 * Who leads among several schedulers: a row of rollcall.lease, by the database's clock. The epoch
 * grows with every change of holder. A leader's transactions end with lease_check, so that one that
 * was paused past its lease changes nothing.
 */
#include "db/db.h"

struct lease {
        char holder[128];
        int64_t epoch; /* 0: not leading */
        int64_t length_ms, renewed_ms;
};

/* Takes a free or expired lease, or renews our own when a third of it is over. 1 leading, 0
 * somebody else leads, -1 error. Uses a connection of its own: it is called while others are inside
 * a transaction. */
int lease_keep(struct lease *l, struct db *d, struct err *e) MUST_CHECK;
/* Inside a transaction, as its last statement: 0 ours until the commit; 1 lost (epoch is 0 now); -1
 * error. */
int lease_check(struct lease *l, struct db *d, struct err *e) MUST_CHECK;
void lease_release(struct lease *l, struct db *d);
