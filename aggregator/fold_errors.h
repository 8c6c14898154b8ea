#pragma once
/* The newest errors of each task type in a batch. Part of the core. */
#include "aggregator/fold.h"
#include "base/arena.h"

/* Adds the event to the errors of its type if it is among the `max` newest ones; the one it
 * replaces is forgotten. Copies what it keeps into `memory`. False: no memory; nothing changed. */
bool fold_errors_keep(struct fold_type *t, size_t max, struct arena *memory,
                      const struct outcome_event *m) MUST_CHECK;
