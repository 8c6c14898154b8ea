/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The newest errors of each task type in a batch. Part of the core. */
#include "base/arena.h"
#include "model/messages.h"

struct fold_error {
        struct uuid event_id, run_id;
        instant at;
        struct span type, subject, item, reason;
        enum outcome outcome;
};

/* A task type that had errors: the newest ones, in no order. */
struct fold_type {
        uint64_t hash;
        struct span type;
        struct fold_error *errors; /* a heap, the oldest first */
        size_t n, cap;
        struct fold_type *next;
};

/* Adds the event to the errors of its type if it is among the `max` newest ones; the one it
 * replaces is forgotten. Copies what it keeps into `memory`. False: no memory; nothing changed. */
bool fold_errors_keep(struct fold_type *t, size_t max, struct arena *memory,
                      const struct outcome_event *m) MUST_CHECK;
