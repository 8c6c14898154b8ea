#pragma once
/* Which events the tables of PostgreSQL cannot store, and the texts that are stored. Part of the
 * core. */
#include "aggregator/fold.h"
#include "base/arena.h"

/* ERR_INPUT: the event cannot be stored; the text names the field. */
int fold_check(const struct outcome_event *m, struct err *e) MUST_CHECK;
/* A copy that is "" instead of absent: the columns are not null. False: no memory. */
bool fold_copy(struct arena *memory, struct span s, struct span *ret) MUST_CHECK;
