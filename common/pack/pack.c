/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in loaded packs. */
#include "pack/pack.h"

#include <string.h>

const struct parameter *pack_setting(const struct pack *p, struct span name)
{
        for (size_t i = 0; i < p->n_settings; i++)
                if (span_is(name, p->settings[i].name))
                        return &p->settings[i];
        return NULL;
}

const struct task_type *pack_type(const struct pack *p, struct span full_name)
{
        for (size_t i = 0; i < p->n_types; i++)
                if (span_is(full_name, p->types[i].full_name))
                        return &p->types[i];
        return NULL;
}

const struct task_type *packs_type(const struct packs *p, struct span full_name)
{
        const struct task_type *t = NULL;
        for (size_t i = 0; i < p->n && !t; i++)
                t = pack_type(p->list[i], full_name);
        return t;
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

/* ---- what a job can come to ---- */

enum { FOLLOW_UPS_DEEP = 8 };

static bool contains(const struct task_type *const *list, size_t n, const struct task_type *t)
{
        for (size_t i = 0; i < n; i++)
                if (list[i] == t)
                        return true;
        return false;
}

bool job_shares(const struct job *j, struct span full_name)
{
        for (size_t i = 0; i < j->n_shared; i++)
                if (span_is(full_name, j->shared[i]->full_name))
                        return true;
        return false;
}

bool job_takes(const struct job *j, const struct task_type *t)
{
        return contains(j->takes, j->n_takes, t);
}

/* `depth`: a circle of follow-ups ends there. */
static bool leads_to_destruction(const struct task_type *t, size_t depth)
{
        if (t->destructive || depth == 0)
                return t->destructive;
        for (size_t i = 0; i < t->n_follow_ups; i++)
                if (leads_to_destruction(pack_type(t->pack, span_of(t->follow_ups[i])), depth - 1))
                        return true;
        return false;
}

bool type_destructive(const struct task_type *t)
{
        return leads_to_destruction(t, FOLLOW_UPS_DEEP);
}

bool job_destructive(const struct job *j)
{
        for (size_t i = 0; i < j->n_tasks; i++)
                if (!j->tasks[i].dry_run && type_destructive(j->tasks[i].type))
                        return true;
        return j->destructive;
}
