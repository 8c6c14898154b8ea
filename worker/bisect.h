/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A pack's statement that fails is bisected, until the failing task stands alone. */
#include "group.h"

/* Called with the result of list[0..n), which it takes; or with the error of a statement that is
 * not halved any further: of a single entry, or one that acted beyond its batch. */
typedef int (*group_done)(struct transactor *t, struct batch *b, const struct statement_group *g,
                          struct entry **list, size_t n, struct db_result *r,
                          const struct err *poison, struct err *e);

/* Before the parts of a group. */
void bisect_begin(struct transactor *t);
/* Runs list[0..n) of a group inside the transaction, bisecting what fails by a task's fault. After
 * a failure the transaction stands where it stood before. Entries whose row is locked by another
 * session are parked; those of a type that fails whatever it is given are passed over. */
int bisect_run(struct transactor *t, struct batch *b, const struct statement_group *g,
               enum variant v, struct entry **list, size_t n, group_done done, struct err *e)
        MUST_CHECK;
/* The same; list[0..n) is known to fail with `first`, which has been undone. */
int bisect_failed(struct transactor *t, struct batch *b, const struct statement_group *g,
                  enum variant v, struct entry **list, size_t n, group_done done,
                  const struct err *first, struct err *e) MUST_CHECK;

/* Before a transaction that may wait for the locks of others: a first wait of worker.lock_timeout,
 * then `ms` in all, a moment for each. */
enum { LOCKS_MS = 3000, LOCKS_AGAIN_MS = 1000, LOCKED_MS = 500 };
void bisect_limit_locks(struct transactor *t, int64_t ms);
/* From here on for n tasks whose rows were locked before: LOCKED_MS in all; less for each when
 * there are several. */
int bisect_locked_before(struct transactor *t, size_t n, struct err *e) MUST_CHECK;
/* Within it: the first wait is but a moment, too. */
int bisect_short_locks(struct transactor *t, struct err *e) MUST_CHECK;

enum probe { PROBE_SUCCEEDS = 0, PROBE_FAILS = 1 };
/* Runs the effect of list[0..n) inside a transaction and undoes it; of none: the record, too. An
 * enum probe, with `why` when it fails; -1 error. */
int bisect_probe(struct transactor *t, const struct statement_group *g, struct entry **list,
                 size_t n, struct err *why, struct err *e) MUST_CHECK;
