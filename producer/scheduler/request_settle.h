/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Published requests whose tasks all have an outcome are settled. */
#include "base/err.h"

struct requests;

/* A few at a time, and not while requests are being published. */
int request_settle(struct requests *q, struct err *e) MUST_CHECK;
