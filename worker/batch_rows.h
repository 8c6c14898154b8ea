/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the batch plainly decided, as rows of rollcall.outcome_batch: one for each partition and
 * chunk. */
#include "batch.h"
#include "lane_partition.h"

/* May the entry's outcome be part of such a row? It came in its turn, and is final at once. */
bool batch_rows_takes(const struct entry *en);
/* Queues the rows of the entries that are DONE and `in_batch`, in a pipeline; gives how many
 * results are to be collected. */
int batch_rows_queue(struct db *d, struct db_params *p, const struct lane_partitions *partitions,
                     const struct batch *b, size_t *ret_rows, struct err *e) MUST_CHECK;
