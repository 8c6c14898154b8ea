/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which requested tasks there are to publish. */
#include "request_state.h"

/* Reads them into the batches of `q` that are empty. */
int request_find(struct requests *q, struct err *e) MUST_CHECK;
