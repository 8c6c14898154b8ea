/* SPDX-License-Identifier: Apache-2.0 */
/* The runs of the slots that are due, and up to where the job's slots have been decided, are stored
 * in one transaction. */
#include "slots.h"

#include "base/log.h"
#include "decide.h"
#include "scheduler_statements.h"

#include <stdlib.h>
#include <string.h>

enum {
        GRACE_MS = 60 * 1000, /* a slot found later than this was missed */
        /* so often it is stored that nothing was due: a schedule that is changed later has no slots
           before */
        CHECKPOINT_MS = 30 * 1000,
};

struct slots {
        struct context *c;
        int64_t due_ms;
        instant *waits; /* per job, in the packs' order: the slot that was logged as waiting */
};

static size_t count_jobs(const struct packs *p)
{
        size_t n = 0;
        for (size_t i = 0; i < p->n; i++)
                n += p->list[i]->n_jobs;
        return n;
}

int slots_new(struct context *c, struct slots **ret, struct err *e)
{
        struct slots *s CLEANUP(slots_cleanup) = calloc(1, sizeof *s);
        if (!s || !(s->waits = calloc(count_jobs(c->packs) + 1, sizeof *s->waits)))
                return err_oom(e);
        s->c = c;
        *ret = TAKE(s);
        return 0;
}

void slots_free(struct slots *s)
{
        if (!s)
                return;
        free(s->waits);
        free(s);
}

int64_t slots_due_ms(const struct slots *s)
{
        return s->due_ms;
}

void slots_reset(struct slots *s)
{
        s->due_ms = 0;
}

static int find_row(const struct job *j, const struct db_result *r)
{
        for (int i = 0; i < db_rows(r); i++)
                if (strcmp(db_str(r, i, 0), j->pack->name) == 0 &&
                    strcmp(db_str(r, i, 1), j->name) == 0)
                        return i;
        return -1;
}

static int request_run(struct context *c, const struct job *j, const struct decision *x,
                       struct err *e)
{
        struct slot_request q = { .job = j,
                                  .scheduled_at = x->slot,
                                  .catch_up = x->catch_up,
                                  .not_before = x->not_before };
        return run_request_slot(c->db, &q, e);
}

static void log_decisions(struct slots *s, const struct job *j, size_t number,
                          const struct decisions *d)
{
        for (size_t i = 0; i < d->n; i++) {
                const struct decision *x = &d->list[i];
                char slot[INSTANT_TEXT_MAX];
                zone_format(j->zone, x->slot, slot);
                if (x->kind == DECIDE_RUN)
                        log_info("run due", "job=%s slot=%s catch_up=%s", j->full_name, slot,
                                 x->catch_up ? "true" : "false");
                else if (x->kind == DECIDE_SKIP)
                        log_warn("slots skipped", "job=%s count=%d%s last=%s reason=" LOG_Q,
                                 j->full_name, x->count, x->count == COUNT_MAX ? "+" : "", slot,
                                 x->reason);
                else if (s->waits[number] != x->slot)
                        log_info("slot waits", "job=%s slot=%s reason=" LOG_Q, j->full_name, slot,
                                 x->reason);
                if (x->kind == DECIDE_WAIT)
                        s->waits[number] = x->slot;
        }
}

static int store_decisions(struct context *c, const struct job *j, const struct decisions *d,
                           struct err *e)
{
        if (db_exec(c->db, "begin", e) < 0)
                return -1;
        for (size_t i = 0; i < d->n; i++)
                if (d->list[i].kind == DECIDE_RUN && request_run(c, j, &d->list[i], e) < 0)
                        return -1;
        db_params_reset(c->params);
        db_add_str(c->params, j->pack->name);
        db_add_str(c->params, j->name);
        db_add_instant(c->params, d->considered_at);
        if (db_query(c->db,
                     "update rollcall.job set considered_at = greatest(considered_at, $3) where "
                     "pack = $1 and job = $2",
                     c->params, NULL, e) < 0)
                return -1;
        return lease_commit(&c->lease, c->db, e);
}

/* `next`: the earliest slot to come, of all jobs. */
static int consider_job(struct slots *s, const struct job *j, size_t number,
                        const struct db_result *r, int row, instant *next, struct err *e)
{
        struct job_state state = { db_instant(r, row, 3), db_bool(r, row, 2) || j->suspend,
                                   !db_null(r, row, 4), db_bool(r, row, 4) };
        instant now = db_instant(r, row, 5);
        struct decisions d;
        decide_slots(j, &state, now, GRACE_MS, &d);
        if (d.n == 0 && d.considered_at == INSTANT_NONE &&
            now - state.considered_at > CHECKPOINT_MS * INSTANT_MS)
                d.considered_at = now;
        int rc = d.considered_at == INSTANT_NONE ? 0 : store_decisions(s->c, j, &d, e);
        if (rc == 0)
                log_decisions(s, j, number, &d);
        instant after = d.more ? now : decide_next(j, now);
        if (after != INSTANT_NONE && (*next == INSTANT_NONE || after < *next))
                *next = after;
        return rc;
}

/* The schedules are checked at each tick, and at the moment when a slot is due. */
static void set_next(struct slots *s, instant next, instant now)
{
        int64_t wait = s->c->service->scheduler.tick_ms;
        if (next != INSTANT_NONE && (next - now) / INSTANT_MS + 1 < wait)
                wait = (next - now) / INSTANT_MS + 1;
        s->due_ms = monotonic_ms() + wait;
}

int slots_request(struct slots *s, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        instant next = INSTANT_NONE;
        size_t number = 0;
        if (monotonic_ms() < s->due_ms)
                return 0;
        if (db_query(s->c->db, sql_schedule_states, NULL, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < s->c->packs->n; i++)
                for (size_t k = 0; k < s->c->packs->list[i]->n_jobs; k++, number++) {
                        const struct job *j = &s->c->packs->list[i]->jobs[k];
                        int row = j->schedule ? find_row(j, r) : -1;
                        int rc = row < 0 ? 0 : consider_job(s, j, number, r, row, &next, e);
                        if (rc != 0)
                                return rc;
                }
        set_next(s, next, db_rows(r) ? db_instant(r, 0, 5) : next);
        return 0;
}
