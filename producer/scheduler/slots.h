/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Slots that are due become requested runs. */
#include "context.h"

struct slots;

int slots_new(struct context *c, struct slots **ret, struct err *e) MUST_CHECK;
void slots_free(struct slots *s);
DEFINE_CLEANUP(slots_cleanup, struct slots, slots_free)

/* When the schedules have to be checked: does it, and sets the next time. */
int slots_request(struct slots *s, struct err *e) MUST_CHECK;
int64_t slots_due_ms(const struct slots *s); /* monotonic: when slots_request has something to do */
void slots_reset(struct slots *s);           /* that is now */
