/* Which requested tasks there are to publish, and which requests are settled: every task of theirs
 * has an outcome. */
#include "requests.h"

#include "base/log.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        SMALL_ROWS = 256, /* in hand per lane, at 64 KiB at most */
        LARGE_ROWS = LANE_COUNT,
        LOOK_MS = 1000,
        SETTLE_MS = 1000,
        SETTLE_MAX_MS = 60000,
        SETTLE_SHARE = 20, /* a pass takes a twentieth of the time at most */
        SETTLE_TASKS = 20000,
};

static void add_tracked(struct requests *q)
{
        db_params_reset(q->params);
        db_array_begin(q->params, DB_INT8, q->n_tracked);
        for (size_t i = 0; i < TRACKED_MAX; i++)
                if (q->slots[i].id)
                        db_element_int(q->params, q->slots[i].request_no);
        db_array_end(q->params);
}

/* The lane of a type; many tasks at once are not urgent. */
static enum lane lane_for(const struct task_type *t, bool large)
{
        enum lane lane = t ? t->lane : LANE_TASKS;
        return large && lane == LANE_URGENT ? LANE_TASKS : lane;
}

static void add_busy_types(struct scheduler *s, const struct hand *hands, bool large)
{
        size_t n = 0;
        for (int pass = 0; pass < 2; pass++) {
                if (pass)
                        db_array_begin(s->requests->params, DB_INT2, n);
                for (size_t i = 0; i < s->packs->n; i++)
                        for (size_t k = 0; k < s->packs->list[i]->n_types; k++) {
                                const struct task_type *t = &s->packs->list[i]->types[k];
                                if (!hands[lane_for(t, large)].arrays)
                                        continue;
                                if (pass)
                                        db_element_int(s->requests->params,
                                                       type_number(s->types, t));
                                else
                                        n++;
                        }
        }
        db_array_end(s->requests->params);
}

static size_t free_slot(const struct requests *q)
{
        size_t i = 0;
        while (q->slots[i].id)
                i++;
        return i;
}

static int take_row(struct scheduler *s, struct hand *h, size_t most, const struct db_result *r,
                    int row, enum lane lane, struct err *e)
{
        struct requests *q = s->requests;
        if (!h->rows && !(h->rows = calloc(most, sizeof *h->rows)))
                return err_oom(e);
        struct asked *a = &h->rows[h->n];
        a->actor = strdup(db_str(r, row, 4));
        if (!a->actor)
                return err_oom(e);
        h->n++;
        a->request_no = db_int(r, row, 0);
        snprintf(a->type, sizeof a->type, "%s", db_str(r, row, 2));
        a->dry_run = db_bool(r, row, 3);
        a->at = db_instant(r, row, 5);
        a->lane = lane;
        a->slot = free_slot(q);
        q->slots[a->slot] = (struct tracked){ .request_no = a->request_no, .id = ++s->next_id };
        q->n_tracked++;
        return 0;
}

static int load_arrays(struct scheduler *s, struct hand *h, struct err *e)
{
        struct db_params *p = s->requests->params;
        db_params_reset(p);
        db_array_begin(p, DB_INT8, h->n);
        for (size_t i = 0; i < h->n; i++)
                db_element_int(p, h->rows[i].request_no);
        db_array_end(p);
        if (db_query_binary(s->db, sql_load_requests, p, &h->arrays, e) < 0)
                return -1;
        if ((size_t)db_rows(h->arrays) != h->n)
                return err_set(e, ERR_RETRY, "",
                               "a request is gone from rollcall.request while it is published");
        return 0;
}

/* Fills the hands of one size that are empty. */
static int take_up(struct scheduler *s, bool large, struct err *e)
{
        struct requests *q = s->requests;
        struct hand *hands = large ? q->large : q->small;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t most = large ? 1 : SMALL_ROWS, limit = large ? LARGE_ROWS : SMALL_ROWS;
        bool busy[LANE_COUNT];
        for (size_t i = 0; i < LANE_COUNT; i++)
                busy[i] = hands[i].arrays != NULL;
        if (q->n_tracked + limit > TRACKED_MAX)
                return 0;
        add_tracked(q);
        add_busy_types(s, hands, large);
        db_add_bool(q->params, large);
        db_add_int8(q->params, (int64_t)limit);
        if (db_query(s->db, sql_find_requests, q->params, &r, e) < 0)
                return -1;
        bool taken = false;
        for (int i = 0; i < db_rows(r); i++) {
                enum lane lane = lane_for(type_by_number(s->types, (int)db_int(r, i, 1)), large);
                if (busy[lane] || hands[lane].n == most)
                        continue;
                if (take_row(s, &hands[lane], most, r, i, lane, e) < 0)
                        return -1;
                taken = true;
        }
        for (size_t i = 0; i < LANE_COUNT; i++)
                if (!busy[i] && hands[i].n && load_arrays(s, &hands[i], e) < 0)
                        return -1;
        q->look |= taken && (size_t)db_rows(r) == limit;
        return 0;
}

/* Tasks that went to another cluster are not on this one. 0, 1 the lead is lost, -1. */
static int compare_clusters(struct scheduler *s, struct err *e)
{
        struct requests *q = s->requests;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (q->compared)
                return 0;
        db_params_reset(q->params);
        db_add_str(q->params, s->cluster);
        if (db_exec(s->db, "begin", e) < 0 ||
            db_query(s->db, "select rollcall.republish_requests(null, $1)", q->params, &r, e) < 0)
                return -1;
        if (db_int(r, 0, 0))
                log_warn("requests are published again", "requests=%lld now_on=%s",
                         (long long)db_int(r, 0, 0), s->cluster);
        int rc = scheduler_commit(s, e);
        q->compared = rc == 0;
        return rc;
}

int requests_look(struct scheduler *s, struct err *e)
{
        struct requests *q = s->requests;
        if (!q->look && monotonic_ms() - q->looked_ms < LOOK_MS)
                return 0;
        int rc = compare_clusters(s, e);
        if (rc != 0)
                return rc;
        q->look = false;
        q->looked_ms = monotonic_ms();
        if (take_up(s, false, e) == 0 && take_up(s, true, e) == 0)
                return 0;
        requests_reset_hands(q);
        return -1;
}

/* ---- settled ---- */

int requests_settle(struct scheduler *s, struct err *e)
{
        struct requests *q = s->requests;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (requests_waiting(q) || monotonic_ms() < q->settle_ms)
                return 0;
        db_params_reset(q->params);
        db_add_int8(q->params, q->settled_to);
        db_add_int8(q->params, SETTLE_TASKS);
        int64_t began = monotonic_ms();
        if (db_query(s->db, sql_settle_requests, q->params, &r, e) < 0)
                return -1;
        q->settle_took_ms += monotonic_ms() - began;
        q->settled_to = db_int(r, 0, 0);
        if (db_int(r, 0, 1))
                q->settle_pause_ms = 0;
        if (q->settled_to)
                return 0;
        if (q->settle_pause_ms < SETTLE_MS)
                q->settle_pause_ms = SETTLE_MS;
        if (q->settle_pause_ms < q->settle_took_ms * SETTLE_SHARE)
                q->settle_pause_ms = q->settle_took_ms * SETTLE_SHARE;
        if (q->settle_pause_ms > SETTLE_MAX_MS)
                q->settle_pause_ms = SETTLE_MAX_MS;
        q->settle_took_ms = 0;
        q->settle_ms = monotonic_ms() + q->settle_pause_ms;
        q->settle_pause_ms = q->settle_pause_ms * 2 < SETTLE_MAX_MS ? q->settle_pause_ms * 2
                                                                    : SETTLE_MAX_MS;
        return 0;
}
