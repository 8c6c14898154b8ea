#pragma once
/*
 * The two transactions of a batch.
 * decide: moves the positions by compare-and-set, runs the statements of the batch's units, writes
 * outcomes, intents, dead letters and progress. settle: writes what the actions outside the
 * database came to, for the entries that were pending. Each commits completely or not at all. A
 * pack's statement that fails is bisected until the failing task stands alone; the others go on.
 * Only the server's own state (db_server_state) ends the whole batch, which is then tried again.
 */
#include "batch.h"
#include "compose_params.h"
#include "notices.h"
#include "pause.h"
#include "source.h"

struct transactor {
        struct db *db; /* replaced by the pump when the connection is */
        struct composer *composer;
        struct sources *sources;
        struct db_params *params;
        struct retry_policy retry;
        /* of what the other side puts off (4xx): greylisting lasts longer than a fault of ours */
        struct retry_policy put_off;
        /* batches that still look for earlier outcomes before they run a statement: repetitions
         * seldom come alone */
        int wary;
        /* transactions in a row that ended because a pack's statement met another transaction
         * (SQLSTATE 40) */
        int conflicts;
        instant at;        /* of the last transaction: the outcomes' instant */
        const char *owner; /* for rollcall.paused_type */
        int64_t pause_base_ms, pause_max_ms;
        struct pauses pauses;
        struct notices notices;
        struct {             /* of the unit whose statement is being bisected */
                bool probed; /* it is known not to fail without any task */
                bool mixed;  /* tasks failed in different ways */
                size_t done, failed;
                char code[SQLSTATE_MAX]; /* the way */
        } part;
        /* how long this transaction waits for the row locks of others after the first that took
         * its time; and until when: 0, it did not come to that yet */
        int64_t locks_ms, lock_until_ms;
        /* What else a decision writes, in its transaction; NULL: nothing. */
        int (*also)(void *ctx, struct batch *b, struct err *e);
        void *also_ctx;
};

enum { TRANSACT_FENCED = 1, TRANSACT_TOO_LARGE = 2 };

/* 0 committed. TRANSACT_FENCED: another owner has moved a position; rolled back.
 * TRANSACT_TOO_LARGE: the batch's results are too large for it; rolled back, to be done with fewer
 * entries. -1 error: whether it was committed is for the positions to tell. */
int transact_decide(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* The same for the entries in state ACTED, whose outcome, reason and attempt have been set, and for
 * PENDING ones of SQL types, whose statement it runs. They become DONE or HELD; what was DONE, HELD
 * or DEAD before is forgotten. */
int transact_settle(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Commits that PENDING entries are about to be acted upon once more: their attempt is counted,
 * their row is an intent. Without it a database that takes little writes but not the outcomes would
 * let the same mail out again and again, uncounted. Not for SQL types, whose try is one transaction
 * with its outcome. */
int transact_intend(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Only writes acknowledgements, when there are any. */
int transact_mark(struct transactor *t, struct err *e) MUST_CHECK;

/* Runs the statements again for pending entries whose result is not at hand (after a takeover, or a
 * while), and rolls back: sets row_of and row where there is still something to do; the others are
 * ACTED. Leaves those of SQL types alone. The batch has been divided. 0, TRANSACT_TOO_LARGE, -1. */
int transact_reread(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;

/* Pauses of types that were found outside a batch's transaction (`b` NULL), or are found in one:
 * see pause.h. */
int transact_write_pauses(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;
/* Runs the effect of list[0..n) inside a transaction and undoes it; of none: the record, too. 0 it
 * succeeds; 1 it fails: `why`; -1 error. */
int transact_try(struct transactor *t, const struct unit *u, struct entry **list, size_t n,
                 struct err *why, struct err *e) MUST_CHECK;

/* Ids of the tasks that an entry's outcome spawns. */
struct uuid follow_up_id(const struct entry *en, struct span full_type);
/* Calls fn(ctx, full name) for each of the entry's follow-ups. */
void follow_ups_each(const struct entry *en,
                     void (*fn)(void *ctx, const struct entry *en, struct span name), void *ctx);
