/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table of actions. */
#include "pack/action_ops.h"

const struct action_ops *action_ops_of(enum action a);
/* by enum action; NULL-terminated */
void action_names(const char *ret[ACTION_COUNT + 1]);
