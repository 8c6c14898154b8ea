/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a lane worker checks in the database each second. */
#include "lane_worker.h"

enum ownership { OWNERSHIP_KEPT = 0, OWNERSHIP_LOST = 1 };
/* Are all positions where we left them, and does the group assign us what the table gives us? LOST:
 * it must be joined again. Registers this thread, reads which types are paused and retries those
 * that are due, looks for re-created topics. */
int ownership_verify(struct lane_worker *w, struct err *e) MUST_CHECK;
