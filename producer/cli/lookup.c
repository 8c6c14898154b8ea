/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, task types and reports of the packs by the names that operators give. */
#include "lookup.h"

#include <string.h>

struct kind {
        const char *what, *list; /* the command that lists them */
        size_t (*count)(const struct pack *p);
        const char *(*name)(const struct pack *p, size_t i);
};

static size_t count_jobs(const struct pack *p)
{
        return p->n_jobs;
}

static const char *job_name(const struct pack *p, size_t i)
{
        return p->jobs[i].name;
}

static size_t count_types(const struct pack *p)
{
        return p->n_types;
}

static const char *type_name(const struct pack *p, size_t i)
{
        return p->types[i].name;
}

static size_t count_reports(const struct pack *p)
{
        return p->n_reports;
}

static const char *report_name(const struct pack *p, size_t i)
{
        return p->reports[i].name;
}

static const struct kind jobs = { "job", "jobs list", count_jobs, job_name },
                         types = { "task type", "types list", count_types, type_name },
                         reports = { "report", "report", count_reports, report_name };

/* Is `given` "PACK.NAME"? */
static bool is_full_name(const char *given, const struct pack *p, const char *name)
{
        size_t len = strlen(p->name);
        return strncmp(given, p->name, len) == 0 && given[len] == '.' &&
               strcmp(given + len + 1, name) == 0;
}

static int find_in_packs(struct cli *c, const struct kind *k, const char *name,
                         const struct pack **ret, size_t *ret_at)
{
        size_t found = 0;
        int rc = cli_packs(c);
        if (rc)
                return rc;
        for (size_t i = 0; i < c->packs->n; i++) {
                const struct pack *p = c->packs->list[i];
                for (size_t j = 0; j < k->count(p); j++) {
                        bool full = is_full_name(name, p, k->name(p, j));
                        if (!full && strcmp(k->name(p, j), name) != 0)
                                continue;
                        *ret = p;
                        *ret_at = j;
                        if (full)
                                return 0;
                        found++;
                }
        }
        if (found == 1)
                return 0;
        if (found > 1)
                return cli_error(CODE_USAGE, "several packs have a %s \"%s\": write PACK.%s",
                                 k->what, name, name);
        return cli_error(CODE_NOT_FOUND, "there is no %s \"%s\"; see: rollcall %s", k->what, name,
                         k->list);
}

int job_find(struct cli *c, const char *name, const struct job **ret)
{
        const struct pack *p = NULL;
        size_t at = 0;
        int rc = find_in_packs(c, &jobs, name, &p, &at);
        if (rc == 0)
                *ret = &p->jobs[at];
        return rc;
}

int type_find(struct cli *c, const char *name, const struct task_type **ret)
{
        const struct pack *p = NULL;
        size_t at = 0;
        int rc = find_in_packs(c, &types, name, &p, &at);
        if (rc == 0)
                *ret = &p->types[at];
        return rc;
}

int report_find(struct cli *c, const char *name, const struct report **ret)
{
        const struct pack *p = NULL;
        size_t at = 0;
        int rc = find_in_packs(c, &reports, name, &p, &at);
        if (rc == 0)
                *ret = &p->reports[at];
        return rc;
}

const struct job *job_known(const struct cli *c, const char *pack, const char *job)
{
        for (size_t i = 0; c->packs && i < c->packs->n; i++) {
                const struct pack *p = c->packs->list[i];
                for (size_t j = 0; strcmp(p->name, pack) == 0 && j < p->n_jobs; j++)
                        if (strcmp(p->jobs[j].name, job) == 0)
                                return &p->jobs[j];
        }
        return NULL;
}

const struct zone *job_zone(const struct cli *c, const char *pack, const char *job)
{
        const struct job *j = job_known(c, pack, job);
        return j ? j->zone : NULL;
}
