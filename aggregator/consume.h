/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Adds messages of the results topic to the batch. */
#include "aggregator/aggregator.h"

/* Adds the messages to the batch, and stores the batch whenever it is full. -1: fatal. */
int consume(struct aggregator *a, const struct kafka_message *list, size_t n, struct err *e)
        MUST_CHECK;
