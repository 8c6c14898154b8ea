#pragma once
/* Counts and digests that a transaction adds to rollcall.progress. Pure. */
#include "batch.h"
#include "source.h"

struct tally {
        int64_t run_no;
        int source;
        int64_t counts[OUTCOME_COUNT], spawned;
        struct uuid_digest digest; /* of the ids done and spawned */
};

struct tallies {
        struct tally *list;
        size_t n, cap;
};

/* Adds an entry that is DONE, with its follow-ups. -1 when the arena is full. */
int tally_add(struct tallies *t, const struct entry *en, struct arena *a) MUST_CHECK;

void tally_params(const struct tallies *t, const struct sources *s, struct db_params *p);
