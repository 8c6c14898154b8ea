/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Parked tasks that are due. */
#include "lane_worker.h"

/* Twice a second: runs those of our partitions. 0, TRANSACTION_FENCED, -1. */
int retries_run_due(struct lane_worker *w, struct err *e) MUST_CHECK;
