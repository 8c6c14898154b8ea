#include "pack/pack.h"

#include "base/arena.h"
#include "pack/load.h"

#include <stdlib.h>
#include <string.h>

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

const struct declared *pack_setting(const struct pack *p, struct span name)
{
        for (size_t i = 0; i < p->n_settings; i++)
                if (span_is(name, p->settings[i].name))
                        return &p->settings[i];
        return NULL;
}

const struct task_type *packs_type(const struct packs *p, struct span full_name)
{
        for (size_t i = 0; i < p->n; i++)
                for (size_t t = 0; t < p->list[i]->n_types; t++)
                        if (span_is(full_name, p->list[i]->types[t].full_name))
                                return &p->list[i]->types[t];
        return NULL;
}

/* ---- by name: "pack.name", or "name" when only one pack has it ---- */

/* Where the name without the pack begins when `name` may mean something of this pack; NULL when it
 * names another pack. */
static const char *within(const struct pack *p, const char *name)
{
        const char *dot = strchr(name, '.');
        if (!dot)
                return name;
        return span_is((struct span){ name, (size_t)(dot - name) }, p->name) ? dot + 1 : NULL;
}

/* FIND(job, jobs): the one of all packs' `list` that `name` means, or NULL. */
#define FIND(kind, list_)                                                            \
        do {                                                                         \
                const struct kind *found = NULL;                                     \
                for (size_t i = 0; i < p->n; i++) {                                  \
                        const struct pack *pack = p->list[i];                        \
                        const char *short_name = within(pack, name);                 \
                        for (size_t k = 0; short_name && k < pack->n_##list_; k++) { \
                                if (strcmp(pack->list_[k].name, short_name) != 0)    \
                                        continue;                                    \
                                if (found)                                           \
                                        return NULL;                                 \
                                found = &pack->list_[k];                             \
                        }                                                            \
                }                                                                    \
                return found;                                                        \
        } while (0)

bool packs_use_lane(const struct packs *p, enum lane l)
{
        for (size_t i = 0; i < p->n; i++)
                for (size_t k = 0; k < p->list[i]->n_types; k++)
                        if (p->list[i]->types[k].lane == l)
                                return true;
        return false;
}

const struct job *packs_job(const struct packs *p, const char *name)
{
        FIND(job, jobs);
}

const struct command *packs_command(const struct packs *p, const char *name)
{
        FIND(command, commands);
}

const struct report *packs_report(const struct packs *p, const char *name)
{
        FIND(report, reports);
}

/* ---- loading all ---- */

/* What services may ask for exists. */
static int check_intakes(const struct service *s, const struct packs *p, struct err *e)
{
        for (size_t i = 0; i < s->n_intakes; i++)
                for (size_t j = 0; j < s->intakes[i].n_types; j++)
                        if (!packs_type(p, span_of(s->intakes[i].types[j])))
                                return cfg_error(
                                        cfg_at(cfg_get(s->intakes[i].node, "types"), (int)j), e,
                                        "found \"%s\", expected the full name of a task type of the packs, such as \"equipemed.extend\"",
                                        s->intakes[i].types[j]);
        return 0;
}

int packs_load(const struct service *s, struct packs **ret, struct err *e)
{
        CLEANUP(packs_cleanup) struct packs *p = calloc(1, sizeof *p);
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
