/* SPDX-License-Identifier: Apache-2.0 */
/* The action "sql": the statement itself is the effect. */
#include "pack/action_ops.h"

const struct action_ops action_sql = {
        .name = "sql",
        .default_lane = LANE_TASKS,
        .by_statement = true,
        .in_database = true,
        .done = "applied",
};
