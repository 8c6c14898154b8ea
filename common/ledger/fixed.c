/* SPDX-License-Identifier: Apache-2.0 */
/* What a run keeps from its planning on: a configuration that changes meanwhile changes nothing of
 * it. */
#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>

struct versions {
        const struct pack *pack;
        struct setting_value *list;
        size_t n;
        char (*texts)[UUID_TEXT_LEN + 1];
};

/* With its follow-ups; a type that is there is not added again, so a circle ends. */
static void add(struct versions *v, const struct task_type *t)
{
        for (size_t i = 0; i < v->n; i++)
                if (strcmp(v->list[i].name, t->full_name) == 0)
                        return;
        uuid_to_text(t->version, v->texts[v->n]);
        v->list[v->n] = (struct setting_value){ t->full_name, v->texts[v->n] };
        v->n++;
        for (size_t i = 0; i < t->n_follow_ups; i++)
                for (size_t k = 0; k < v->pack->n_types; k++)
                        if (strcmp(v->pack->types[k].full_name, t->follow_ups[i]) == 0)
                                add(v, &v->pack->types[k]);
}

int run_fix(const struct run *r, struct buf *settings, struct buf *statements, struct err *e)
{
        struct setting_value *list CLEANUP(cleanup_free) = calloc(r->pack->n_types + 1,
                                                                  sizeof *list);
        char(*texts)[UUID_TEXT_LEN + 1] CLEANUP(cleanup_free) = calloc(r->pack->n_types + 1,
                                                                       sizeof *texts);
        struct versions v = { r->pack, list, 0, texts };
        if (!list || !texts)
                return err_oom(e);
        for (size_t i = 0; i < r->job->n_tasks; i++)
                add(&v, r->job->tasks[i].type);
        settings_to_json(r->settings, r->n_settings, settings);
        settings_to_json(v.list, v.n, statements);
        return settings->failed || statements->failed ? err_oom(e) : 0;
}

static const char *version_of(const struct run *r, const struct task_type *t)
{
        for (size_t i = 0; i < r->n_statements; i++)
                if (strcmp(r->statements[i].name, t->full_name) == 0)
                        return r->statements[i].value;
        return NULL;
}

bool run_has_type(const struct run *r, const struct task_type *t)
{
        return version_of(r, t) != NULL;
}

bool run_statement_same(const struct run *r, const struct task_type *t)
{
        char version[UUID_TEXT_LEN + 1];
        const char *planned = version_of(r, t);
        uuid_to_text(t->version, version);
        return !planned || strcmp(planned, version) == 0;
}
