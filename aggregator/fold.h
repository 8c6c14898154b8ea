/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The aggregator's core: audit events in, changes of totals out. No I/O, no clock. Events of one
 * results partition must come in the order of their offsets. A duplicate is recognised by its
 * sequence, which is not above the last one aggregated of its source partition.
 *
 * Life of a batch: fold_event for each event, read the changes, store them, then fold_commit; or
 * fold_discard, which forgets the batch.
 */
#include "aggregator/fold_errors.h"
#include "base/err.h"
#include "model/messages.h"

#define FOLD_OTHER "(other)" /* counts the reasons beyond the limit */

struct fold_limits {
        size_t memory_max;    /* bytes of a batch's changes; at least 1 MiB */
        size_t reasons_max;   /* different reasons per type and day, in one batch */
        size_t errors_max;    /* newest errors kept per type */
        size_t sequences_max; /* source partitions kept in memory, over all results partitions */
        uint64_t seed;        /* of the hashes */
};

/* The last sequence aggregated of a source partition, as seen on a results partition. */
struct fold_sequence {
        int32_t results_no; /* the caller's number of the results partition */
        int32_t partition;
        struct span topic;
        int64_t sequence;
};

/* Spans of the following live until the batch ends. Counts are what the batch adds. */
struct fold_run {
        uint64_t hash;
        struct uuid run_id; /* nil: all ad-hoc tasks together; pack and job are then "" */
        struct span pack, job;
        bool dry_run;                  /* the tasks of a dry run are counted separately */
        int64_t counts[OUTCOME_COUNT]; /* negative where outcomes were replaced */
        int64_t events;
        instant first_at, last_at;
        struct fold_run *next;
};

struct fold_day {
        uint64_t hash;
        int64_t day; /* since 1970-01-01, UTC */
        struct span type, reason;
        bool dry_run;
        enum outcome outcome;
        int64_t count;
        struct fold_day *next;
};

struct fold_changes {
        const struct fold_run *runs; /* lists */
        const struct fold_day *days;
        const struct fold_type *types;
        size_t n_runs, n_days, n_types, n_errors, n_sequences;
        int64_t counted, duplicates;
};

struct fold;

/* ERR_FATAL: out of memory. */
int fold_new(const struct fold_limits *l, struct fold **ret, struct err *e) MUST_CHECK;
void fold_free(struct fold *f);
DEFINE_CLEANUP(fold_cleanup, struct fold, fold_free)

/* Between batches: fold_forget discards what is known of a results partition, then fold_load sets
 * each sequence as it was stored. -1: too many, or out of memory. */
void fold_forget(struct fold *f, int32_t results_no);
int fold_load(struct fold *f, const struct fold_sequence *s, struct err *e) MUST_CHECK;

enum fold_result {
        FOLD_COUNTED,
        FOLD_DUPLICATE, /* was aggregated before */
        /* the batch's memory is used up: store the batch, then call with the same event once more.
           For a batch's first event: out of memory */
        FOLD_FULL,
        FOLD_REFUSED, /* the event contradicts itself or cannot be stored; `e` has the reason */
};
/* `m` is not kept: what is needed of it is copied. */
enum fold_result fold_event(struct fold *f, int32_t results_no, const struct outcome_event *m,
                            struct err *e) MUST_CHECK;

void fold_changes(const struct fold *f, struct fold_changes *ret);
/* The sequences that the batch advanced; `i` below n_sequences. */
struct fold_sequence fold_sequence_at(const struct fold *f, size_t i);

void fold_commit(struct fold *f);
void fold_discard(struct fold *f);
