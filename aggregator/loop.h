/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The aggregator's loop. */
#include "aggregator/aggregator.h"

/* Not negative: see loop_step. */
enum loop_result {
        LOOP_NEXT, /* call it again at once */
        LOOP_WAIT  /* there is nothing to consume from yet: wait a little first */
};

/* Maintains the connections and claims, then consumes what there is; takes about half a second at
 * most while all is well. -1: fatal. */
int loop_step(struct aggregator *a, struct err *e) MUST_CHECK;
bool loop_is_ready(const struct aggregator *a); /* it has a consumer and a database */
/* Stores what has been consumed and publishes what is due; then the aggregator can be freed. */
int loop_drain(struct aggregator *a, struct err *e) MUST_CHECK;
