/* SPDX-License-Identifier: Apache-2.0 */
/* Requests are read in their order, but for those of lanes whose batch is still being published. */
#include "request_find.h"

#include "base/log.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        SMALL_ROWS = 256, /* a batch of one lane, at 64 KiB at most */
        LARGE_ROWS = LANE_COUNT,
        POLL_MS = 1000,
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

static void add_busy_types(struct requests *q, const struct request_batch *batches, bool large)
{
        size_t n = 0;
        for (int pass = 0; pass < 2; pass++) {
                if (pass)
                        db_array_begin(q->params, DB_INT2, n);
                for (size_t i = 0; i < q->c->packs->n; i++)
                        for (size_t k = 0; k < q->c->packs->list[i]->n_types; k++) {
                                const struct task_type *t = &q->c->packs->list[i]->types[k];
                                if (!batches[lane_for(t, large)].arrays)
                                        continue;
                                if (pass)
                                        db_element_int(q->params, type_number(q->c->types, t));
                                else
                                        n++;
                        }
        }
        db_array_end(q->params);
}

static size_t free_slot(const struct requests *q)
{
        size_t i = 0;
        while (q->slots[i].id)
                i++;
        return i;
}

static int add_row(struct requests *q, struct request_batch *b, size_t most,
                   const struct db_result *r, int row, enum lane lane, struct err *e)
{
        if (!b->rows && !(b->rows = calloc(most, sizeof *b->rows)))
                return err_oom(e);
        struct request_row *a = &b->rows[b->n];
        a->actor = strdup(db_str(r, row, 4));
        if (!a->actor)
                return err_oom(e);
        b->n++;
        a->request_no = db_int(r, row, 0);
        snprintf(a->type, sizeof a->type, "%s", db_str(r, row, 2));
        a->dry_run = db_bool(r, row, 3);
        a->at = db_instant(r, row, 5);
        a->lane = lane;
        a->slot = free_slot(q);
        q->slots[a->slot] = (struct request_tracked){ .request_no = a->request_no,
                                                      .id = ++q->c->last_token };
        q->n_tracked++;
        return 0;
}

static int load_arrays(struct requests *q, struct request_batch *b, struct err *e)
{
        struct db_params *p = q->params;
        db_params_reset(p);
        db_array_begin(p, DB_INT8, b->n);
        for (size_t i = 0; i < b->n; i++)
                db_element_int(p, b->rows[i].request_no);
        db_array_end(p);
        if (db_query_binary(q->c->db, sql_load_requests, p, &b->arrays, e) < 0)
                return -1;
        if ((size_t)db_rows(b->arrays) != b->n)
                return err_set(
                        e, ERR_RETRY, "",
                        "a request was deleted from rollcall.request while it was published");
        return 0;
}

/* Fills the batches of one size that are empty. */
static int fill_batches(struct requests *q, bool large, struct err *e)
{
        struct request_batch *batches = large ? q->large : q->small;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t most = large ? 1 : SMALL_ROWS, limit = large ? LARGE_ROWS : SMALL_ROWS;
        bool busy[LANE_COUNT];
        for (size_t i = 0; i < LANE_COUNT; i++)
                busy[i] = batches[i].arrays != NULL;
        if (q->n_tracked + limit > TRACKED_MAX)
                return 0;
        add_tracked(q);
        add_busy_types(q, batches, large);
        db_add_bool(q->params, large);
        db_add_int8(q->params, (int64_t)limit);
        if (db_query(q->c->db, sql_find_requests, q->params, &r, e) < 0)
                return -1;
        bool added = false;
        for (int i = 0; i < db_rows(r); i++) {
                enum lane lane = lane_for(type_by_number(q->c->types, (int)db_int(r, i, 1)), large);
                if (busy[lane] || batches[lane].n == most)
                        continue;
                if (add_row(q, &batches[lane], most, r, i, lane, e) < 0)
                        return -1;
                added = true;
        }
        for (size_t i = 0; i < LANE_COUNT; i++)
                if (!busy[i] && batches[i].n && load_arrays(q, &batches[i], e) < 0)
                        return -1;
        q->more |= added && (size_t)db_rows(r) == limit;
        return 0;
}

/* Tasks that went to another cluster are not on this one. */
static int compare_clusters(struct requests *q, struct err *e)
{
        struct context *c = q->c;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (q->cluster_compared)
                return 0;
        db_params_reset(q->params);
        db_add_str(q->params, c->cluster);
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, "select rollcall.republish_requests(null, $1)", q->params, &r, e) < 0)
                return -1;
        if (db_int(r, 0, 0))
                log_warn("republishing requests", "requests=%lld now_on=%s",
                         (long long)db_int(r, 0, 0), c->cluster);
        int rc = lease_commit(&c->lease, c->db, e);
        q->cluster_compared = rc == 0;
        return rc;
}

int request_find(struct requests *q, struct err *e)
{
        if (!q->more && monotonic_ms() - q->found_ms < POLL_MS)
                return 0;
        int rc = compare_clusters(q, e);
        if (rc != 0)
                return rc;
        q->more = false;
        q->found_ms = monotonic_ms();
        if (fill_batches(q, false, e) == 0 && fill_batches(q, true, e) == 0)
                return 0;
        request_state_reset(q);
        return -1;
}
