/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings whose words are known: choices, and the keys of a group. */
#include "config/cfg.h"

/* One of `names` (NULL-terminated); gives its index. */
int cfg_choice(const struct cfg_node *n, const char *key, const char *const *names, int fallback,
               int *ret, struct err *e) MUST_CHECK;
/* Every key of the group must be in `known` (NULL-terminated): a misspelt key is an error that
 * lists the known ones. */
int cfg_only(const struct cfg_node *n, const char *const *known, struct err *e) MUST_CHECK;
