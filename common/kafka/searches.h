/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The searches for the end of unreadable batches, of partitions that are revoked. Inside the kafka
 * room only; kafka.h has the functions for callers. */
#include "kafka/consumer_state.h"

/* Keeps the search of a partition that is revoked. `list` may be NULL. */
void searches_keep(struct kafka_searches *list, const struct slot *s);
/* Restores the search that was kept, if the partition is assigned at the same offset. */
void searches_recall(struct kafka_searches *list, struct slot *s);
