/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall check`: the configuration, each pack, the database, folders, mail and Kafka. */
#include "check_database.h"
#include "check_folders.h"
#include "check_kafka.h"
#include "check_mail.h"
#include "check_statements.h"
#include "commands.h"

#include "pack/pack_load.h"

#include <stdlib.h>

struct loaded { /* a pack loaded alone, so that one pack's fault hides no other's */
        struct service service;
        struct packs *packs;
};

static struct loaded *load_each(struct check *k)
{
        const struct service *s = k->cli->service;
        struct loaded *list = calloc(s->n_packs + 1, sizeof *list);
        for (size_t i = 0; list && i < s->n_packs; i++) {
                struct err e = ERR_INIT;
                list[i].service = *s;
                list[i].service.packs = &s->packs[i];
                list[i].service.n_packs = 1;
                if (packs_load(&list[i].service, &list[i].packs, &e) < 0) {
                        check_fail(k, "pack", s->packs[i].path, "%s", e.text);
                        continue;
                }
                const struct pack *p = list[i].packs->list[0];
                check_ok(k, "pack", p->name, "%zu task types, %zu jobs, %zu commands, %zu reports",
                         p->n_types, p->n_jobs, p->n_commands, p->n_reports);
        }
        return list;
}

static void free_each(struct loaded *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                packs_free(list[i].packs);
        free(list);
}

static struct db *connect(struct check *k)
{
        const struct service *s = k->cli->service;
        struct err e = ERR_INIT;
        char *conninfo CLEANUP(cleanup_free) = NULL;
        struct db *d = NULL;
        if (service_conninfo(s, &conninfo, &e) < 0 ||
            db_open(conninfo, "rollcall check", (int)s->database.connect_timeout_ms, &d, &e) < 0) {
                check_fail(k, "database", "", "%s", e.text);
                return NULL;
        }
        return d;
}

static void check_packs_in_database(struct check *k, const struct loaded *list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (!list[i].packs)
                        continue;
                /* prepared statements of one pack live and die with its connection */
                struct db *d CLEANUP(db_cleanup) = connect(k);
                if (!d)
                        return;
                check_statements(k, d, list[i].packs->list[0]);
        }
}

static void check_all(struct check *k)
{
        struct cli *c = k->cli;
        const struct service *s = c->service;
        struct loaded *list = load_each(k);
        if (!list) {
                check_fail(k, "memory", "", "out of memory");
                return;
        }
        size_t loaded = 0;
        for (size_t i = 0; i < s->n_packs; i++)
                loaded += list[i].packs != NULL;
        struct err e = ERR_INIT;
        if (loaded == s->n_packs && packs_load(s, &c->packs, &e) < 0)
                check_fail(k, "packs together", "", "%s", e.text);
        struct db *d = connect(k);
        if (d) {
                bool applied = check_database(k, d, c->service->kafka.prefix, c->packs);
                db_free(d);
                if (applied)
                        check_packs_in_database(k, list, s->n_packs);
                else
                        check_note(k, "statements", "", "not looked at before the schema is there");
        }
        free_each(list, s->n_packs);
        check_folders(k, c->packs);
        check_mail(k, c->packs);
        if (!k->offline)
                check_kafka(k);
}

int verb_check(struct cli *c, const struct args *a)
{
        struct check k = { .cli = c,
                           .offline = args_on(a, "offline"),
                           .findings = c->json ? json_array() : NULL };
        struct err e = ERR_INIT;
        if (service_open(c->config_given, &c->service, &e) < 0) {
                check_fail(&k, "configuration", "", "%s", e.text);
        } else {
                check_ok(&k, "configuration", c->service->file, "%zu packs", c->service->n_packs);
                check_all(&k);
        }
        if (k.findings)
                print_json(json_pack("{s:b, s:I, s:I, s:o}", "ok", k.failed == 0, "passed",
                                     (json_int_t)k.passed, "failed", (json_int_t)k.failed,
                                     "findings", k.findings));
        else
                printf("%zu ok, %zu failed\n", k.passed, k.failed);
        return k.failed ? CODE_FAILED : CODE_OK;
}
