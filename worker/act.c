/* SPDX-License-Identifier: Apache-2.0 */
/* One round of actions outside the database, group by group. */
#include "act.h"

#include "actions/actions.h"

static int act_group(struct actor *a, struct batch *b, const struct statement_group *g,
                     struct err *e)
{
        static int (*const kinds[])(struct actor *, struct batch *, const struct statement_group *,
                                    struct entry **, size_t,
                                    struct err *) = { [ACTION_SQL] = NULL, /* is done already */
                                                      [ACTION_EMAIL] = act_mail,
                                                      [ACTION_WEBHOOK] = act_webhook,
                                                      [ACTION_REPORT] = act_report,
                                                      [ACTION_FILES] = act_files };
        _Static_assert(ARRAY_LEN(kinds) == ACTION_COUNT, "each action has a row");
        struct entry **list = arena_alloc(b->arena, (g->n + 1) * sizeof(struct entry *));
        size_t n = 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < g->n; i++)
                if (g->list[i]->state == ENTRY_PENDING)
                        list[n++] = g->list[i];
        return n ? kinds[g->type->action](a, b, g, list, n, e) : 0;
}

int act_round(struct actor *a, struct batch *b, struct err *e)
{
        actor_begin_round(a);
        for (size_t i = 0; i < b->n_groups && !actor_round_expired(a); i++) {
                int rc = b->groups[i].type->action == ACTION_SQL
                                 ? 0
                                 : act_group(a, b, &b->groups[i], e);
                batch_block(b, i);
                /* what has been done is written down first; what failed for good fails again in the
                 * next round */
                if (rc < 0)
                        return batch_count(b, ENTRY_ACTED) ? 0 : -1;
        }
        return 0;
}
