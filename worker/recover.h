#pragma once
/*
 * After a takeover or a lost connection: what was committed but is not known to be on the results topic is published again, with the same ids,
 * from the ledger; and intents whose result is not known are collected.
 */
#include "batch.h"
#include "runs.h"
#include "source.h"

struct recovery {
        struct db *db;
        struct runs *runs;
        const struct packs *packs;
        const struct type_numbers *types;
        struct sources *sources;
};

enum { RECOVER_MAX = 5000, RECOVER_COLUMNS = 22 };

/* Fills the (reset) batch with up to RECOVER_MAX entries of source `index` from a query with parameters source number, `after`, limit, whose first columns
 * are those of the queries in recover.c; its result is the batch's first. Gives their number. */
int recover_collect(struct recovery *r, const char *sql, int index, int64_t after, struct batch *b, struct err *e) MUST_CHECK;

/* Fills the (reset) batch with up to RECOVER_MAX outcomes and dead letters of source `index` with sequence > after, in order, as DONE and DEAD.
 * `ret_last`: the last sequence among them; unchanged when there is none. Gives their number. */
int recover_outcomes(struct recovery *r, int index, int64_t after, struct batch *b, int64_t *ret_last, struct err *e) MUST_CHECK;

/* Fills the (reset) batch with the pending intents of source `index`, as PENDING with the attempt raised. Gives their number. */
int recover_intents(struct recovery *r, int index, struct batch *b, struct err *e) MUST_CHECK;
