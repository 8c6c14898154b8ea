/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The messages of a poll, from Kafka to the results topic. */
#include "lane_worker.h"

/* Batch by batch: decodes, decides, publishes, acts, settles, publishes. 0, TRANSACTION_FENCED, -1.
 */
int take_tasks(struct lane_worker *w, struct kafka_message *list, size_t n, struct err *e)
        MUST_CHECK;
