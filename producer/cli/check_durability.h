/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "finding.h"

/* What the database's settings must be, so that what Rollcall has published stays true. */
void check_durability(struct check *k, struct db *d);
