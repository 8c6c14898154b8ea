/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Retries of paused task types. */
#include "lane_worker.h"

/* Retries the lane's paused types that are due. */
int type_retry_due(struct lane_worker *w, struct err *e) MUST_CHECK;
