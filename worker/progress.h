/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Counts and digests of runs, moved in the transaction that writes the outcomes. */
#include "batch.h"
#include "lane_partition.h"

/* What one transaction adds to rollcall.progress. */
struct progress {
        struct progress_row {
                int64_t run_no;
                int partition;
                int64_t counts[OUTCOME_COUNT], spawned;
                int64_t place;             /* the last one taken; 0: none */
                struct uuid_digest digest; /* of the ids done and spawned */
        } *list;                           /* in an arena */
        size_t n, cap;
};

/* Adds an entry that is DONE, with its follow-ups. -1 when the arena is full. Pure. */
int progress_add(struct progress *t, const struct entry *en, struct arena *a) MUST_CHECK;
/* Notes the entry's place, whatever became of it. The same. */
int progress_take(struct progress *t, const struct entry *en, struct arena *a) MUST_CHECK;
/* The parameters of the statement progress_add. */
void progress_params(const struct progress *t, const struct lane_partitions *s,
                     struct db_params *p);

/* Notes the runs that may be closed and whose counts this transaction changes: the scheduler then
 * checks their state again. */
int progress_note_recounts(struct db *d, struct db_params *p, const struct batch *b, struct err *e)
        MUST_CHECK;
