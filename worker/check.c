/* SPDX-License-Identifier: Apache-2.0 */
/* Before a reload: would a worker with this configuration start, and could it prepare all its
 * statements? Nothing is run. */
#include "check.h"

#include "ledger/compose.h"
#include "pauses.h"

static int paused_now(struct db *d, struct pauses *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(d,
                     "select coalesce(string_agg(type_no::text, ','), '') from "
                     "rollcall.paused_type where resumed_at is null",
                     NULL, &r, e) < 0)
                return -1;
        pauses_read(ret, db_str(r, 0, 0));
        return 0;
}

/* A type that is paused already is no worse after the reload. */
static int check_types(struct db *d, const struct service *s, const struct packs *packs,
                       const struct type_numbers *types, struct err *e)
{
        struct composer *c CLEANUP(composer_cleanup) = composer_new();
        struct pauses pauses = { 0 };
        if (!c)
                return err_oom(e);
        if (paused_now(d, &pauses, e) < 0)
                return -1;
        for (size_t i = 0; i < packs->n; i++)
                for (size_t j = 0; j < packs->list[i]->n_types; j++) {
                        const struct task_type *t = &packs->list[i]->types[j];
                        int type_no = type_number(types, t);
                        if (s->worker.lanes[t->lane] && !pauses_has(&pauses, type_no) &&
                            compose_all(c, d, t, type_no, e) < 0)
                                return err_prefix(e, "task type %s", t->full_name);
                }
        return 0;
}

int worker_check(const struct service *s, const struct packs *packs, struct err *e)
{
        struct db *d CLEANUP(db_cleanup) = NULL;
        char *conninfo CLEANUP(cleanup_free) = NULL;
        struct type_numbers *types = NULL;
        if (service_conninfo(s, &conninfo, e) < 0 ||
            db_open(conninfo, "rollcall-worker check", (int)s->database.connect_timeout_ms, &d, e) <
                    0)
                return -1;
        if (ledger_check(d, s->kafka.prefix, e) < 0 || type_numbers_load(d, packs, &types, e) < 0)
                return -1;
        int rc = check_types(d, s, packs, types, e);
        type_numbers_free(types);
        return rc;
}
