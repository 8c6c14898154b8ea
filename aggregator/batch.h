/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The end of a batch: it is stored in one transaction, or discarded. */
#include "aggregator/aggregator.h"

/* Not negative: see batch_store. */
enum batch_result {
        BATCH_STORED,   /* and another one has begun; also when there was nothing to store */
        BATCH_DISCARDED /* not stored: all partitions must be claimed again */
};

/* -1: fatal. */
int batch_store(struct aggregator *a, struct err *e) MUST_CHECK;
/* Forgets the batch. All partitions are unclaimed. */
void batch_discard(struct aggregator *a);
/* Discards the batch after an error, which is logged if it passes; -1: fatal. */
int batch_fail(struct aggregator *a, const struct err *why, struct err *e) MUST_CHECK;

/* As aggregator_need_database; the batch ends with the connection. */
int batch_need_database(struct aggregator *a, struct err *e) MUST_CHECK;
