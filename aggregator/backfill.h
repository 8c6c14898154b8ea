/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Aggregates from the ledger what the results topic has lost. */
#include "aggregator/aggregator.h"

/* Not negative: see backfill_step. */
enum backfill_result { BACKFILL_DONE, BACKFILL_MORE };

/* Works on the partitions that are to be backfilled, for a fraction of a second. -1: error, also
 * one that passes. */
int backfill_step(struct aggregator *a, struct err *e) MUST_CHECK;
