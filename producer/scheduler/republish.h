/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Open runs and requests whose tasks have to be published again: a log lost them, they went to
 * another cluster, or workers passed over them while their type was paused. */
#include "context.h"

/* What is being published elsewhere, and has to be read from the tables again. */
struct republished {
        bool runs, requests;
};

/* The flags of `ret` are set, never cleared. */
int republish_resumed(struct context *c, struct republished *ret, struct err *e) MUST_CHECK;
int republish_lost(struct context *c, struct republished *ret, struct err *e) MUST_CHECK;
