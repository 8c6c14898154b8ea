/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The statement of one statement group, inside a transaction: queued in a pipeline, its result
 * collected and read. */
#include "transaction.h"

/* What becomes of the statement's effect. */
enum group_end {
        GROUP_KEEP,
        GROUP_ROLL_BACK, /* to its savepoint */
        GROUP_REHEARSE,  /* the same, and what it touched is counted for its run */
};
/* As the group's dry-run flag says. */
enum group_end group_end_of(const struct statement_group *g);

/* The composed statement of the group's type, prepared. */
int group_compose(struct transactor *t, const struct statement_group *g, enum variant v,
                  const struct composed **ret, struct err *e) MUST_CHECK;
/* The statement for list[0..n) in a pipeline, and its answers: `ret` stays NULL when it failed; the
 * first error counts. */
int group_queue(struct transactor *t, const struct statement_group *g, const struct composed *c,
                struct entry **list, size_t n, enum group_end end, struct err *e) MUST_CHECK;
int group_collect(struct transactor *t, enum group_end end, struct db_result **ret, struct err *e)
        MUST_CHECK;

/* The rows of a result, which the batch takes, as outcomes of list[0..n): each entry with a row is
 * in state `acts` when an action is still to be done, else in `decided`; the others are in
 * `without`. ERR_FATAL for what no composed statement can give. */
struct group_states {
        enum entry_state acts, decided, without;
};
int group_read(struct batch *b, const struct statement_group *g, struct entry **list, size_t n,
               struct db_result *r, struct group_states states, struct err *e) MUST_CHECK;

/* Counts the notices that the group's statement has raised. */
void group_note_notices(struct transactor *t, const struct statement_group *g);

/* After the failure `why` for n tasks: 0, rolled back to the group's savepoint; -1, it is to be
 * waited for, or the connection is of no use any more. */
int group_undo(struct transactor *t, const struct err *why, size_t n, struct err *e) MUST_CHECK;
/* The same without waiting for anything. */
int group_roll_back(struct transactor *t, struct err *e) MUST_CHECK;
