/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The aggregator's tables in PostgreSQL: what it reads of the ledger, and one transaction for each
 * batch. Functions that return -1 without a comment failed with a database error in `e`.
 */
#include "aggregator/fold.h"
#include "aggregator/issued.h"
#include "aggregator/partition.h"
#include "db/db.h"

/* A message that could not be read or aggregated: a row of rollcall.dead_letter. */
struct dead_letter_entry {
        struct partition *partition;
        int64_t offset, sequence;
        struct span reason, key, value;
        struct dead_letter_entry *next;
};

struct store_limits {
        size_t params_max; /* bytes of the parameters of one statement */
        /* different reasons by task type and day, without "" and "(other)" */
        int64_t reasons_max;
        int64_t errors_kept; /* of each task type */
};

/* The members are for store.c and store_batch.c only. */
struct store {
        struct db *db;
        struct db_params *params; /* of one statement at a time */
        struct store_limits limits;
};

int store_new(const struct store_limits *l, struct store **ret, struct err *e) MUST_CHECK;
void store_free(struct store *s);
DEFINE_CLEANUP(store_cleanup, struct store, store_free)

/* Takes ownership of the connection and prepares the statements on it. `d` is freed when that
 * fails. */
int store_attach(struct store *s, struct db *d, struct err *e) MUST_CHECK;
/* Emptied: for the parameters of the next statement. */
struct db_params *store_params(struct store *s);
struct db *store_db(const struct store *s); /* NULL while there is none */
void store_detach(struct store *s);         /* frees the connection */

/* Loads into `f` the last sequences aggregated of every unclaimed partition. */
int store_load_sequences(struct store *s, const struct partition *list, size_t n, struct fold *f,
                         struct err *e) MUST_CHECK;

/* The last sequences that the ledger has issued, by topic and partition, and the database's clock.
 * `results`: the results topic, which workers do not consume. */
int store_issued(struct store *s, const char *results, struct issued *ret, struct err *e)
        MUST_CHECK;

/* Does the ledger name `owner` as the owner of any partition of the topic? */
int store_owns(struct store *s, const char *cluster, const char *topic, const char *owner,
               bool *ret, struct err *e) MUST_CHECK;

/* Source partitions of `topics` with outcomes that were not aggregated yet for this partition:
 * columns topic, partition, an array of source_no, the last sequence aggregated, the last one
 * issued. */
int store_backfill_sources(struct store *s, const struct partition *x, const char *const *topics,
                           size_t n, struct db_result **ret, struct err *e) MUST_CHECK;
/* Outcomes of the ledger of these sources (an array of source_no as text), with sequences above
 * `after` up to `to`, in order, some thousand of them. */
int store_backfill_outcomes(struct store *s, const char *sources, int64_t after, int64_t to,
                            struct db_result **ret, struct err *e) MUST_CHECK;
/* Records that all of them have been aggregated. */
int store_backfill_done(struct store *s, const struct partition *x, struct err *e) MUST_CHECK;

/* The next dead letters of a partition that are not published yet, in order; the spans live in
 * `a`. */
int store_unpublished(struct store *s, const struct partition *x, struct arena *a,
                      struct dead_letter_entry **ret, struct err *e) MUST_CHECK;
/* Records that its dead letters are published up to number `sequence`. */
int store_published(struct store *s, const struct partition *x, int64_t sequence, struct err *e)
        MUST_CHECK;
