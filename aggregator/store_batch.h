/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One batch as one transaction. */
#include "aggregator/store.h"

/* Not negative: see store_batch. */
enum store_result {
        STORE_COMMITTED,
        STORE_FENCED /* another owner has claimed a partition or moved a position: rolled back */
};

/* Moves the positions by compare-and-set, and writes the changes of the batch and its dead letters.
 * -1: error; if the connection broke it is not known whether the batch was stored. */
int store_batch(struct store *s, const struct partition *list, size_t n, const struct fold *f,
                const struct dead_letter_entry *dead_letters, struct err *e) MUST_CHECK;
