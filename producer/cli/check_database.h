/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The database server, Rollcall's own tables and the rights on them, and what the packs need. */
#include "finding.h"

/* `prefix`: kafka.prefix. `all`: NULL when the packs could not be loaded together. False after a
 * finding that leaves nothing more to be checked: the server cannot be asked, or `rollcall db
 * apply` has not been run for this program. */
bool check_database(struct check *k, struct db *d, const char *prefix, const struct packs *all);
