/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* After a claim. */
#include "lane_worker.h"

/* Publishes again and settles what earlier owners of CLAIMED partitions have left unfinished: they
 * are READY. 0, TRANSACTION_FENCED, -1. */
int takeover_finish(struct lane_worker *w, struct err *e) MUST_CHECK;
