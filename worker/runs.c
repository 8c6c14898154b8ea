#include "runs.h"

#include <stdlib.h>

struct runs {
        const struct packs *packs;
        struct kept {
                struct run *run;
                int64_t read_ms;
                bool replaced;
        } *list;
        size_t n;
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
