/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "config/service.h"
#include "pack/pack.h"

/* Connects to the database and prepares the statements of the lanes that the configuration has this
 * worker serve. The error names type and file. */
int worker_check(const struct service *s, const struct packs *packs, struct err *e) MUST_CHECK;
