/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * After a takeover or a lost connection: what was committed but is not known to be on the results
 * topic is published again, with the same ids, from the ledger; and intents whose result is not
 * known are collected.
 */
#include "batch.h"
#include "run_cache.h"
#include "lane_partition.h"

struct recovery {
        struct db *db;
        struct run_cache *runs;
        const struct packs *packs;
        const struct type_numbers *types;
        struct lane_partitions *partitions;
        int64_t version_wait_ms; /* retry.version_wait */
};

enum { RECOVER_MAX = 5000, RECOVER_COLUMNS = 23, RECOVER_BYTES = 2 * 1024 * 1024 };

/* Fills the (reset) batch with entries of source `index` from a statement whose columns
 * are those of sql/_recover_columns.sql, with the parameters source number, `after`, rows, bytes;
 * its result is the batch's first. Gives their number. The source's `rows` follow from it: twice as
 * many after a full batch, twice what $4 bytes held after one that was cut short. That there are
 * few says nothing about the next time, or about another source. */
int recover_collect(struct recovery *r, const char *sql, int index, int64_t after, struct batch *b,
                    struct err *e) MUST_CHECK;
/* No more than so many of source `index` the next time. */
void recover_limit(struct recovery *r, int index, size_t rows);

/* Fills the (reset) batch with outcomes and dead letters of source `index` with sequence > after,
 * in order, as DONE and DEAD. `ret_last`: the last sequence among them; unchanged when there is
 * none. Gives their number. */
int recover_outcomes(struct recovery *r, int index, int64_t after, struct batch *b,
                     int64_t *ret_last, struct err *e) MUST_CHECK;

/* Fills the (reset) batch with the pending intents of source `index`, as PENDING with the attempt
 * raised. Gives their number. */
int recover_intents(struct recovery *r, int index, struct batch *b, struct err *e) MUST_CHECK;

/* Bytes from their hexadecimal form, in the arena; unchanged for NULL. -1: the arena is full. */
int recover_from_hex(struct arena *a, struct span hex, struct span *ret) MUST_CHECK;
