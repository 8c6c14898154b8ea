/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Batches that cannot be read. Inside the kafka room only. */
#include "kafka/consumer_state.h"

/* Handles an error of a batch that cannot be read, and events of the search for its end. False: the
 * error is another one. */
bool unreadable_error(struct kafka_consumer *c, const rd_kafka_message_t *m);
/* Does the message only answer the search? Then it is discarded. */
bool unreadable_probed(struct kafka_consumer *c, const rd_kafka_message_t *m, struct slot *s);
/* Adds the unreadable batches whose end is known to list[n..max). The new n, or -1: error. */
int unreadable_give(struct kafka_consumer *c, struct kafka_message *list, size_t n, size_t max,
                    struct err *e) MUST_CHECK;
