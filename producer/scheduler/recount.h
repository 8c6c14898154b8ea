/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Closed runs whose counts have changed get the state that the counts stand for. */
#include "context.h"

int recount_closed(struct context *c, struct err *e) MUST_CHECK;
