/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A batch: the tasks taken from Kafka together and decided in one transaction. */
#include "base/arena.h"
#include "entry.h"

/* Entries that one statement takes: same type, run, dry-run flag and number among those of their
 * subject, so no subject twice; where the statement uses :actor, of one actor, too. */
struct statement_group {
        const struct task_type *type;
        int type_no;
        struct run *run;
        struct run *about;
        bool dry_run;
        bool placed; /* in the turn of their run's plan: VARIANT_PLACED */
        struct entry **list;
        size_t n;
};

enum { RESULTS_MAX = 16384 };

struct batch {
        struct arena *arena;
        struct entry *entries;
        size_t n;
        struct statement_group *groups;
        size_t n_groups;
        struct db_result *results[RESULTS_MAX]; /* kept while entries point into them */
        size_t n_results;
        size_t result_bytes; /* what the results take */
};

size_t batch_count(const struct batch *b, enum entry_state state);
/* The entries in that state, in their order; the list lives as long as the batch. */
int batch_list(struct batch *b, enum entry_state state, struct entry ***ret, size_t *ret_n,
               struct err *e) MUST_CHECK;
/* Forgets the entries and everything that they point into. */
void batch_reset(struct batch *b);
/* Hands a result to the batch. Always takes it, and frees it on failure. With more than one entry
 * in the batch they may take twice RESULT_BYTES_MAX together, or a kilobyte for each entry: beyond
 * that it fails with DB_RESULT_TOO_LARGE. */
int batch_keep(struct batch *b, struct db_result *r, struct err *e) MUST_CHECK;

/* Makes the groups, in the order in which they must run, of the entries that are in `state`.
 * Within a group by subject (as the tables' keys are sorted). Pure. ERR_FATAL when the arena is
 * full. */
int batch_group(struct batch *b, enum entry_state state, struct err *e) MUST_CHECK;

/* Is the batch too large for the results of its statements? Then fewer are to be taken. */
bool batch_is_too_large(const struct err *e);
/* How many to take next, after one that was too large, or was done. Pure. */
size_t batch_fewer(size_t n);
size_t batch_more(size_t now, size_t result_bytes, size_t most);

/* How many to take next, when `n` of at most `now` took `ms`, so that a batch lasts no longer than
 * about a second: 1 to `most`. Pure. */
size_t batch_paced(size_t now, size_t n, int64_t ms, size_t most);

/* What is unknown here is parked for `ms`, for a worker that knows it. Of entries that are DECIDED
 * for that reason. */
void batch_park_unknown(struct batch *b, int64_t ms);
/* In a grouped batch: entries of the groups after `group`, not yet given to a statement or acted
 * upon, whose subject has just been parked in it, are blocked: READY ones are DECIDED, PENDING ones
 * ACTED. */
void batch_block(struct batch *b, size_t group);

/* What a transaction may change in a grouped batch, kept so that it can be retried without what
 * was done outside the database. */
struct batch_copy {
        struct entry *entries, **list;
        struct statement_group *groups;
};
/* into the arena; the same copy may be used again for the same batch */
int batch_save(struct batch *b, struct batch_copy *c, struct err *e) MUST_CHECK;
void batch_restore(struct batch *b, const struct batch_copy *c);
