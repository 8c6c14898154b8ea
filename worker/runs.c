#include "runs.h"

#include "base/log.h"

#include <stdlib.h>

struct runs {
        const struct packs *packs;
        struct kept {
                struct run *run;
                int64_t read_ms;
                bool replaced;
        } *list;
        size_t n;
        struct uuid told; /* the run whose statements were last said to be others here */
};

struct runs *runs_new(const struct packs *p)
{
        struct runs *r = calloc(1, sizeof *r);
        if (r)
                r->packs = p;
        return r;
}

void runs_free(struct runs *r)
{
        if (!r)
                return;
        for (size_t i = 0; i < r->n; i++)
                run_free(r->list[i].run);
        free(r->list);
        free(r);
}

/* A run keeps its settings; its statements are those of the worker that does a task. That they are not the ones it was planned with is said. */
static void compare_statements(struct runs *r, const struct run *run)
{
        char id[UUID_TEXT_LEN + 1], here[UUID_TEXT_LEN + 1] = "none";
        if (!run_state_open(run->state) || uuid_eq(run->run_id, r->told))
                return;
        uuid_to_text(run->run_id, id);
        for (size_t i = 0; i < run->n_statements; i++) {
                const struct task_type *t = packs_type(r->packs, span_of(run->statements[i].name));
                if (t && run_statement_same(run, t))
                        continue;
                if (t)
                        uuid_to_text(t->version, here);
                log_warn("task type is not as the run was planned with", "run_id=%s type=%s planned=%s here=%s", id, run->statements[i].name,
                         run->statements[i].value, here);
                r->told = run->run_id;
        }
}

int runs_get(struct runs *r, struct db *d, struct uuid run_id, int64_t now_ms, struct run **ret, struct err *e)
{
        for (size_t i = r->n; i-- > 0;) {
                struct kept *k = &r->list[i];
                if (k->replaced || !uuid_eq(k->run->run_id, run_id))
                        continue;
                if (now_ms - k->read_ms < RUNS_TTL_MS) {
                        *ret = k->run;
                        return 0;
                }
                k->replaced = true;
        }
        struct run *run = NULL;
        int rc = run_load(d, r->packs, run_id, &run, e);
        if (rc != 0)
                return rc;
        struct kept *list = reallocarray(r->list, r->n + 1, sizeof *list);
        if (!list) {
                run_free(run);
                return err_oom(e);
        }
        r->list = list;
        list[r->n++] = (struct kept){ run, now_ms, false };
        compare_statements(r, run);
        *ret = run;
        return 0;
}

int runs_about(struct runs *r, struct db *d, const struct task_type *type, struct span subject, int64_t now_ms, struct run **ret, struct err *e)
{
        struct uuid id;
        struct run *run = NULL;
        if (!type || type->scope != SCOPE_RUN || !uuid_from_text(subject.ptr, subject.len, &id))
                return 0;
        int rc = runs_get(r, d, id, now_ms, &run, e);
        if (rc < 0 && e->class != ERR_POISON)
                return -1;
        if (rc == 0 && run->pack == type->pack)
                *ret = run;
        return 0;
}

void runs_sweep(struct runs *r)
{
        size_t n = 0, excess = r->n > RUNS_KEPT ? r->n - RUNS_KEPT : 0;
        for (size_t i = 0; i < r->n; i++) {
                if (r->list[i].replaced || i < excess)
                        run_free(r->list[i].run);
                else
                        r->list[n++] = r->list[i];
        }
        r->n = n;
}
