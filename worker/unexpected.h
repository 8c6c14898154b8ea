/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tasks that their run may not take. */
#include "lane_worker.h"

/* Looks the batch's UNEXPECTED entries up in the ledger: each becomes one of the other states. */
int unexpected_resolve(struct lane_worker *w, struct err *e) MUST_CHECK;
