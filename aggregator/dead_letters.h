/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages that cannot be aggregated: stored with the batch, and published afterwards. */
#include "aggregator/aggregator.h"

/* Adds a message to the dead letters of the batch. False: no memory in this batch. */
bool dead_letters_add(struct aggregator *a, struct partition *x, const struct kafka_message *m,
                      const char *reason);

/* Publishes the stored dead letters that are not in their topic yet. -1: error, also one that
 * passes. */
int dead_letters_publish(struct aggregator *a, struct err *e) MUST_CHECK;
