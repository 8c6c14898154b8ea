/* SPDX-License-Identifier: Apache-2.0 */
/* A pack's folder becomes a struct pack. */
#include "pack/pack_load.h"

#include "config/trust.h"
#include "pack/load_command.h"
#include "pack/load_job.h"
#include "pack/load_parameter.h"
#include "pack/load_type.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ARENA_MAX = 64 * 1024 * 1024 };

static void pack_free(struct pack *p)
{
        if (!p)
                return;
        free_types(p);
        free_jobs(p);
        zone_free(p->zone);
        arena_free(p->arena);
        cfg_free(p->cfg);
        free(p);
}

void packs_free(struct packs *p)
{
        if (!p)
                return;
        for (size_t i = 0; i < p->n; i++)
                pack_free(p->list[i]);
        free(p->list);
        free(p);
}

/* ---- a pack ---- */

static int load_mail(struct loader *l, struct err *e)
{
        static const char *const known[] = { "from_address", "from_name",        "reply_to",
                                             "list_id",      "list_unsubscribe", NULL };
        const struct cfg_node *n = cfg_get(l->root, "mail");
        struct pack *p = l->pack;
        if (!n)
                return 0;
        if (cfg_only(n, known, e) < 0 ||
            cfg_str_required(n, "from_address", &p->mail.from_address, e) < 0 ||
            cfg_str(n, "from_name", NULL, &p->mail.from_name, e) < 0 ||
            cfg_str(n, "reply_to", NULL, &p->mail.reply_to, e) < 0 ||
            cfg_str(n, "list_id", NULL, &p->mail.list_id, e) < 0 ||
            cfg_str(n, "list_unsubscribe", NULL, &p->mail.list_unsubscribe, e) < 0)
                return -1;
        const char *at = strchr(p->mail.from_address, '@');
        if (!at || at == p->mail.from_address || !at[1] ||
            strpbrk(p->mail.from_address, " <>\t\r\n"))
                return cfg_unexpected(cfg_get(n, "from_address"), e,
                                      "an address such as \"noreply@example.org\"");
        return 0;
}

static int load_top(struct loader *l, struct err *e)
{
        static const char *const known[] = { "name",        "title",        "time_zone",
                                             "search_path", "subject_type", "schema",
                                             "mail",        "settings",     "task_types",
                                             "jobs",        "commands",     "reports",
                                             NULL };
        static const char *const subject_types[] = { "text", "integer", "uuid", NULL };
        static const enum value_type types[] = { VALUE_TEXT, VALUE_INTEGER, VALUE_UUID };
        struct pack *p = l->pack;
        const struct cfg_node *n = l->root, *zone = cfg_get(n, "time_zone");
        int choice;
        if (cfg_only(n, known, e) < 0 || load_name(n, NULL, &p->name, e) < 0 ||
            cfg_str(n, "title", p->name, &p->title, e) < 0 ||
            cfg_str(n, "time_zone", "UTC", &p->time_zone, e) < 0 ||
            cfg_str(n, "search_path", "public", &p->search_path, e) < 0 ||
            cfg_choice(n, "subject_type", subject_types, 0, &choice, e) < 0 ||
            load_file(l, n, "schema", false, &p->schema, e) < 0)
                return -1;
        p->subject_type = types[choice];
        return load_zone(zone ? zone : n, p->time_zone, &p->zone, e) < 0 ? -1 : load_mail(l, e);
}

/* The service's values take the place of the pack's defaults. */
static int override_settings(struct loader *l, struct err *e)
{
        struct pack *p = l->pack;
        for (int i = 0; i < cfg_count(l->service->settings); i++) {
                const struct parameter *d;
                const char *value;
                if (load_setting(l, cfg_at(l->service->settings, i), &d, &value, e) < 0)
                        return -1;
                p->settings[d - p->settings].default_value = value;
        }
        return 0;
}

static int load_pack(struct loader *l, struct err *e)
{
        struct pack *p = l->pack;
        char *file;
        size_t len = strlen(l->service->path);
        while (len > 1 && l->service->path[len - 1] == '/')
                len--;
        p->arena = arena_new(ARENA_MAX);
        p->folder = p->arena ? arena_strndup(p->arena, l->service->path, len) : NULL;
        if (!p->folder)
                return err_oom(e);
        struct stat st;
        if (stat(p->folder, &st) < 0 || !S_ISDIR(st.st_mode))
                return cfg_error(cfg_get(l->service->node, "path"), e,
                                 "%s: found no such folder, expected a pack's", p->folder);
        file = load_path(l, "pack.cfg");
        if (!file)
                return err_oom(e);
        if (l->service->guarded && trust_check(p->folder, e) < 0)
                return -1;
        if (cfg_load(file, &p->cfg, e) < 0 || (l->service->guarded && cfg_trusted(p->cfg, e) < 0))
                return -1;
        l->root = cfg_root(p->cfg);
        if (load_top(l, e) < 0 ||
            load_parameters(l, l->root, "settings", PARAMETER_SETTING, &p->settings, &p->n_settings,
                            e) < 0 ||
            override_settings(l, e) < 0)
                return -1;
        if (load_types(l, e) < 0 || load_reports(l, e) < 0 || check_types(l, e) < 0)
                return -1;
        return load_jobs(l, e) < 0 ? -1 : load_commands(l, e);
}

/* ---- all packs ---- */

/* The types that services may request exist. */
static int check_intakes(const struct service *s, const struct packs *p, struct err *e)
{
        for (size_t i = 0; i < s->n_intakes; i++)
                for (size_t j = 0; j < s->intakes[i].n_types; j++)
                        if (!packs_type(p, span_of(s->intakes[i].types[j])))
                                return cfg_error(
                                        cfg_at(cfg_get(s->intakes[i].node, "types"), (int)j), e,
                                        "found \"%s\", expected the full name of a task type of "
                                        "the packs, such as \"equipemed.extend\"",
                                        s->intakes[i].types[j]);
        return 0;
}

int packs_load(const struct service *s, struct packs **ret, struct err *e)
{
        struct packs *p CLEANUP(packs_cleanup) = calloc(1, sizeof *p);
        if (!p)
                return err_oom(e);
        p->list = calloc(s->n_packs + 1, sizeof *p->list);
        if (!p->list)
                return err_oom(e);
        for (size_t i = 0; i < s->n_packs; i++) {
                struct pack *pack = p->list[p->n++] = calloc(1, sizeof *pack);
                if (!pack)
                        return err_oom(e);
                struct loader l = { .pack = pack, .service = &s->packs[i] };
                if (load_pack(&l, e) < 0)
                        return -1;
                for (size_t k = 0; k < i; k++)
                        if (strcmp(p->list[k]->name, pack->name) == 0)
                                return cfg_error(
                                        s->packs[i].node, e,
                                        "%s has the name \"%s\", as %s has: expected another",
                                        pack->folder, pack->name, p->list[k]->folder);
        }
        if (check_intakes(s, p, e) < 0)
                return -1;
        *ret = TAKE(p);
        return 0;
}
