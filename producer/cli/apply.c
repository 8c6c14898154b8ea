/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall db apply`. */
#include "output.h"
#include "commands.h"

#include "ledger/ledger.h"

static json_t *pack_json(const struct pack *p)
{
        return json_pack("{s:s, s:b, s:I, s:I}", "pack", p->name, "schema", p->schema.text != NULL,
                         "jobs", (json_int_t)p->n_jobs, "task_types", (json_int_t)p->n_types);
}

int verb_db_apply(struct cli *c, const struct args *a)
{
        struct err e = ERR_INIT;
        int from;
        int rc = cli_packs(c);
        if (rc == 0)
                rc = cli_db_any(c);
        if (rc)
                return rc;
        const struct ledger_service service = {
                .prefix = c->service->kafka.prefix,
                .renamed = args_on(a, "new-prefix"),
                .act_for_others = c->service->security.act_for_others,
                .n_act_for_others = c->service->security.n_act_for_others
        };
        if (ledger_apply(c->db, c->packs, &service, &from, &e) < 0)
                return cli_db_fail(&e);
        if (c->json) {
                json_t *packs = json_array();
                for (size_t i = 0; i < c->packs->n; i++)
                        json_array_append_new(packs, pack_json(c->packs->list[i]));
                return print_json(json_pack("{s:i, s:i, s:o}", "from", from, "to", LEDGER_VERSION,
                                            "packs", packs));
        }
        if (from == LEDGER_VERSION)
                printf("schema rollcall: version %d, nothing to do\n", from);
        else if (from == 0)
                printf("schema rollcall: created, version %d\n", LEDGER_VERSION);
        else
                printf("schema rollcall: version %d brought to %d\n", from, LEDGER_VERSION);
        for (size_t i = 0; i < c->packs->n; i++) {
                const struct pack *p = c->packs->list[i];
                printf("pack %s: %s%zu jobs and %zu task types registered\n", p->name,
                       p->schema.text ? "schema applied, " : "", p->n_jobs, p->n_types);
        }
        return CODE_OK;
}
