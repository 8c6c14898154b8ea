/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The jobs of pack.cfg. */
#include "pack/load.h"

int load_jobs(struct loader *l, struct err *e) MUST_CHECK;
void free_jobs(struct pack *p);
