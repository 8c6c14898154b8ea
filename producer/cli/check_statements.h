/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "finding.h"

/* Every statement of a pack against the database, and the templates against the columns. */
void check_statements(struct check *k, struct db *d, const struct pack *p);
