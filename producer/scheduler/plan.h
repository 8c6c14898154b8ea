/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Plans one run, in a transaction that ends with the check of the lease. */
#include "planning.h"

/* Beside -1. Anything but PLAN_COMMITTED is rolled back with the connection, which may be left in
 * pipeline mode. */
enum plan_result {
        PLAN_COMMITTED, /* held for review unless `why` is "" */
        PLAN_NOT_MET,   /* the job's precondition: `why` */
        PLAN_NOT_OURS,  /* planned or closed meanwhile, or the lead is lost */
};

int plan_run(struct planning *p, char *why, size_t max, struct err *e) MUST_CHECK;
