/* SPDX-License-Identifier: Apache-2.0 */
/* Runs read from the database, for a moment. */
#include "run_cache.h"

#include "base/log.h"

#include <stdlib.h>

struct run_cache {
        const struct packs *packs;
        int64_t version_wait_ms;
        struct cached_run {
                struct run *run;
                int64_t read_ms;
                bool replaced;
        } *list;
        size_t n;
        struct uuid logged; /* the run whose statements were last reported as different here */
};

struct run_cache *run_cache_new(const struct packs *p, int64_t version_wait_ms)
{
        struct run_cache *r = calloc(1, sizeof *r);
        if (r) {
                r->packs = p;
                r->version_wait_ms = version_wait_ms;
        }
        return r;
}

void run_cache_free(struct run_cache *r)
{
        if (!r)
                return;
        for (size_t i = 0; i < r->n; i++)
                run_free(r->list[i].run);
        free(r->list);
        free(r);
}

static void log_different(const struct run *run, const struct setting_value *planned,
                          const struct task_type *here)
{
        char id[UUID_TEXT_LEN + 1], version[UUID_TEXT_LEN + 1] = "none";
        uuid_to_text(run->run_id, id);
        if (here)
                uuid_to_text(here->version, version);
        log_warn("task type differs from the one the run was planned with",
                 "run_id=%s type=%s planned=%s here=%s wait_ms=%lld", id, planned->name,
                 planned->value, version, (long long)run->version_wait_ms);
}

/* A run keeps its settings; its statements are those of the worker that does a task. Where they are
 * not the ones it was planned with, its tasks wait for a worker that has those, for a time. */
static void compare_statements(struct run_cache *r, struct run *run)
{
        bool logged = uuid_eq(run->run_id, r->logged);
        if (!run_state_open(run->state))
                return;
        for (size_t i = 0; i < run->n_statements; i++) {
                const struct task_type *t = packs_type(r->packs, span_of(run->statements[i].name));
                if (t && run_statement_same(run, t))
                        continue;
                if (run->planned_ms >= 0 && run->planned_ms < r->version_wait_ms)
                        run->version_wait_ms = r->version_wait_ms - run->planned_ms;
                if (!logged)
                        log_different(run, &run->statements[i], t);
                r->logged = run->run_id;
        }
}

int run_cache_get(struct run_cache *r, struct db *d, struct uuid run_id, int64_t now_ms,
                  struct run **ret, struct err *e)
{
        for (size_t i = r->n; i-- > 0;) {
                struct cached_run *k = &r->list[i];
                if (k->replaced || !uuid_eq(k->run->run_id, run_id))
                        continue;
                if (now_ms - k->read_ms < RUN_CACHE_TTL_MS) {
                        *ret = k->run;
                        return 0;
                }
                k->replaced = true;
        }
        struct run *run = NULL;
        int rc = run_load(d, r->packs, run_id, &run, e);
        if (rc != 0)
                return rc;
        struct cached_run *list = reallocarray(r->list, r->n + 1, sizeof *list);
        if (!list) {
                run_free(run);
                return err_oom(e);
        }
        r->list = list;
        list[r->n++] = (struct cached_run){ run, now_ms, false };
        compare_statements(r, run);
        *ret = run;
        return 0;
}

int run_cache_about(struct run_cache *r, struct db *d, const struct task_type *type,
                    struct span subject, int64_t now_ms, struct run **ret, struct err *e)
{
        struct uuid id;
        struct run *run = NULL;
        if (!type || type->scope != SCOPE_RUN || !uuid_parse(subject.ptr, subject.len, &id))
                return 0;
        int rc = run_cache_get(r, d, id, now_ms, &run, e);
        if (rc < 0 && e->class != ERR_INPUT)
                return -1;
        if (rc == 0 && run->pack == type->pack)
                *ret = run;
        return 0;
}

void run_cache_forget_all(struct run_cache *r)
{
        for (size_t i = 0; i < r->n; i++)
                r->list[i].replaced = true;
}

void run_cache_evict(struct run_cache *r)
{
        size_t n = 0, excess = r->n > RUN_CACHE_MAX ? r->n - RUN_CACHE_MAX : 0;
        for (size_t i = 0; i < r->n; i++) {
                if (r->list[i].replaced || i < excess)
                        run_free(r->list[i].run);
                else
                        r->list[n++] = r->list[i];
        }
        r->n = n;
}
