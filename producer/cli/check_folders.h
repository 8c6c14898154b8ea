/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "finding.h"

/* The folder of reports, and the files of the webhooks' secrets. `all`: NULL when the packs could
 * not be loaded together. */
void check_folders(struct check *k, const struct packs *all);
