/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "finding.h"

/* The mail relay or Maildir, and alert.to. `all`: NULL when the packs could not be loaded together.
 */
void check_mail(struct check *k, const struct packs *all);
