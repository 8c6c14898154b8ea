/* SPDX-License-Identifier: Apache-2.0 */
/* The table of actions. */
#include "pack/actions.h"

static const struct action_ops *const table[] = {
        [ACTION_SQL] = &action_sql,         [ACTION_EMAIL] = &action_email,
        [ACTION_WEBHOOK] = &action_webhook, [ACTION_REPORT] = &action_report,
        [ACTION_FILES] = &action_files,
};
_Static_assert(ARRAY_LEN(table) == ACTION_COUNT, "each action has a row");

const struct action_ops *action_ops_of(enum action a)
{
        return table[a];
}

void action_names(const char *ret[ACTION_COUNT + 1])
{
        for (size_t i = 0; i < ACTION_COUNT; i++)
                ret[i] = table[i]->name;
        ret[ACTION_COUNT] = NULL;
}
