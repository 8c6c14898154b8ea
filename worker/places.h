/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which place of its run's plan a message has. The tasks of a partition are published in the order
 * of their places, so each message is compared with the task whose turn it is: an earlier one is a
 * repetition, and what is in its turn has no outcome yet (docs/protocol.md, "The ledger's two
 * forms").
 */
#include "lane_worker.h"

struct places;

struct places *places_new(void); /* NULL: out of memory */
void places_free(struct places *p);
DEFINE_CLEANUP(places_cleanup, struct places, places_free)

enum places_result {
        PLACES_FOUND = 0,
        /* a task came out of its turn: its run is kept by task now, and the batch is to be taken
           once more */
        PLACES_TAKE_AGAIN = 1,
};
/* Gives the batch's tasks their places (entry.place), each partition's after those that were
 * committed. Repetitions become REPEATED; what is not in its run's plan, a dead letter, unless a
 * task of the run names it as its follow-up. -1: error. */
int places_find(struct lane_worker *w, struct err *e) MUST_CHECK;
/* The batch is committed: the places found are taken. */
void places_committed(struct places *p);
