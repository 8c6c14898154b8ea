/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The second half of a batch. */
#include "lane_worker.h"

/* Acts, settles and publishes in rounds until nothing of ours is pending. The batch has been
 * grouped. An enum transaction_end, or -1. */
int finish_batch(struct lane_worker *w, struct err *e) MUST_CHECK;
