/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Loads the packs of a service. */
#include "pack/pack.h"

/* Loads every pack of the service's configuration with its files and templates. Cross-references
 * are resolved and checked; the service's overrides are applied, so `s` must outlive the packs.
 * ERR_FATAL "FILE:LINE: PATH: what was found, what was expected", at the override's line when that
 * is at fault. */
int packs_load(const struct service *s, struct packs **ret, struct err *e) MUST_CHECK;
void packs_free(struct packs *p);
DEFINE_CLEANUP(packs_cleanup, struct packs, packs_free)
