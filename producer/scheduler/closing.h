/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which published runs are complete, and which are out of time. */
#include "context.h"

/* Closes them. */
int closing_complete(struct context *c, struct err *e) MUST_CHECK;
/* Stores how far open runs have come, for rollcall.troubles, when the last time is long enough ago:
 * at *due_ms (monotonic), which it sets. */
int closing_store_progress(struct context *c, int64_t *due_ms, struct err *e) MUST_CHECK;
