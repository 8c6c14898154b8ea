#pragma once
/* The pieces that both transactions of a batch are made of. Errors leave the connection unusable:
 * the caller opens another. */
#include "transact.h"

/* The worker's own statements, prepared once per connection. */
int transact_prepare(struct transactor *t, struct err *e) MUST_CHECK;

/* In a pipeline: "begin", and the compare-and-set of all sources that have something to write; then
 * their answers. */
int transact_queue_begin(struct transactor *t, size_t *ret_rows, struct err *e) MUST_CHECK;
int transact_take_begin(struct transactor *t, size_t rows, bool *ret_fenced, struct err *e)
        MUST_CHECK;

/* What row `row` of a unit's result says, and about which entry. ERR_FATAL for what no composed
 * statement can give. */
int transact_row(const struct unit *u, struct entry **list, size_t n, const struct db_result *r,
                 int row, struct entry **ret, int64_t *ret_outcome, struct err *e) MUST_CHECK;

/* Both at once. */
int transact_begin(struct transactor *t, bool *ret_fenced, struct err *e) MUST_CHECK;

enum unit_end {
        UNIT_KEEP,
        UNIT_UNDO,     /* rolled back to its savepoint */
        UNIT_REHEARSE, /* the same, and what it touched is counted for its run */
};
enum unit_end transact_unit_end(const struct unit *u);

/* A unit's statement in a pipeline, and its answers: `ret` stays NULL when it failed; the first
 * error counts. */
int transact_composed(struct transactor *t, const struct unit *u, enum variant v,
                      const struct composed **ret, struct err *e) MUST_CHECK;
int transact_queue_unit(struct transactor *t, const struct unit *u, const struct composed *c,
                        struct entry **list, size_t n, enum unit_end end, struct err *e) MUST_CHECK;
int transact_take_unit(struct transactor *t, enum unit_end end, struct db_result **ret,
                       struct err *e) MUST_CHECK;

/* Notes what the unit's statement said by the way. */
void transact_note_notices(struct transactor *t, const struct unit *u);

/* After a failure for n tasks: 0, the unit's savepoint is as it was before; -1, it is to be waited
 * for, or the connection is of no use any more. */
int transact_undo_unit(struct transactor *t, const struct err *why, size_t n, struct err *e)
        MUST_CHECK;

/* Called with the result of list[0..n), which it takes; or with the error of a statement that is
 * not halved any further: of a single entry, or one that acted beyond its batch. */
typedef int (*unit_done)(struct transactor *t, struct batch *b, const struct unit *u,
                         struct entry **list, size_t n, struct db_result *r,
                         const struct err *poison, struct err *e);

/* Before a transaction that may wait for the locks of others: a first wait of worker.lock_timeout,
 * then `ms` in all, a moment for each. */
enum { LOCKS_MS = 3000, LOCKS_AGAIN_MS = 1000, LOCKED_MS = 500 };
void transact_locks(struct transactor *t, int64_t ms);
/* Within it: the first wait is but a moment, too. */
int transact_short_locks(struct transactor *t, struct err *e) MUST_CHECK;
/* From here on for n tasks whose rows were locked before: LOCKED_MS in all; less for each when
 * there are several. */
int transact_locked_again(struct transactor *t, size_t n, struct err *e) MUST_CHECK;

/* Around all parts of one unit. The end notes whether the type is to be paused, and passes its
 * later units over. `first_tries`: of tasks that had not been tried before. */
void transact_begin_unit(struct transactor *t);
void transact_end_unit(struct transactor *t, struct batch *b, size_t unit, bool first_tries);

/* Runs list[0..n) of a unit inside the transaction, bisecting what fails by a task's fault. After a
 * failure the transaction stands where it stood before. Entries whose row is locked by another
 * session wait; those of a type that fails whatever it is given are passed over. */
int transact_part(struct transactor *t, struct batch *b, const struct unit *u, enum variant v,
                  struct entry **list, size_t n, unit_done done, struct err *e) MUST_CHECK;
/* list[0..n) is known to fail with `first`, which has been undone. */
int transact_bisect(struct transactor *t, struct batch *b, const struct unit *u, enum variant v,
                    struct entry **list, size_t n, unit_done done, const struct err *first,
                    struct err *e) MUST_CHECK;

/* Before a transaction: units of paused types are passed over; statements are prepared, and a type
 * for which that fails is paused. */
int transact_ready_units(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;

/* After an error in a transaction: rolls back what was too large for its batch, TRANSACT_TOO_LARGE;
 * else -1, and the connection is unusable. */
int transact_give_up(struct transactor *t, struct err *e) MUST_CHECK;

/* Originals of any size come; not all are kept. */
int transact_drop_large_originals(struct batch *b, struct err *e) MUST_CHECK;
void transact_dead_letter_params(const struct transactor *t, const struct batch *b, size_t n);

/* Outcomes that no statement gave (state DECIDED): they become DONE or HELD, or REPEATED where
 * there was one before. */
/* what rollcall.outcome.outcome holds instead of an enum outcome */
enum { LEDGER_PENDING = -1, LEDGER_WAITING = -2 };
int transact_write_decided(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* reused.c: REPEATED ad-hoc entries whose id the ledger has for another task become DEAD. */
int transact_refuse_reused(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* A type that no pack here has still gets its outcome: its name is registered first, outside the
 * transaction. Past TYPES_MAX names it is a dead letter. */
int transact_number_unknown_types(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;

/* shared.c: of what is DONE, leaves out the follow-ups that another task of the run has, or the
 * plan. */
int transact_claim_shared(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* recount.c: notes the runs that may be closed, and whose counts this transaction changes. */
int transact_note_recounts(struct transactor *t, const struct batch *b, struct err *e) MUST_CHECK;
/* Adds what is DONE to the progress, commits, and notes the positions as moved. */
int transact_commit(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
