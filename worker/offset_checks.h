/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whether the topics still have what is to be consumed next: see position/position.h. */
#include "lane_worker.h"

enum offset_checks { OFFSETS_VALID = 0, OFFSETS_REJOIN = 1 };

/* Compares the position with the offsets on the broker. */
int offset_checks_get(struct lane_worker *w, struct lane_partition *x, struct position_gap *ret,
                      struct err *e) MUST_CHECK;
/* A partition just claimed: OFFSET_VALID, POSITION_STOPS or POSITION_CLAIM_AGAIN, or -1.
 * `ret_start`: where to consume from. */
int offset_checks_after_claim(struct lane_worker *w, struct lane_partition *x, int64_t *ret_start,
                              struct err *e) MUST_CHECK;
/* The first messages of partitions just claimed: are they of the same topic? REJOIN: a position was
 * repaired. */
int offset_checks_verify(struct lane_worker *w, const struct kafka_message *list, size_t n,
                         struct err *e) MUST_CHECK;
/* Have topics been re-created, and filled beyond our positions, while we consume them? REJOIN:
 * yes. */
int offset_checks_replaced(struct lane_worker *w, struct err *e) MUST_CHECK;
