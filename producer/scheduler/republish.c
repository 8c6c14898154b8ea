/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing again is done by the same path as the first time: the run's chunks count as not
 * published, and the follow-ups that no worker has taken become chunks of their own. The ids are
 * the same, so that what is already done is not done twice. */
#include "republish.h"

#include "base/log.h"
#include "run_close.h"
#include "scheduler_statements.h"

/*
 * What is published again may come more than once, and in any order: the ledger keeps such a run by
 * task, before anything of it is changed. Each of these transactions locks runs first, as workers
 * do after their positions: none waits for them with something locked that they wait for.
 */

/* ---- task types that were paused ---- */

static void add_types(struct context *c, const struct db_result *types)
{
        db_params_reset(c->params);
        db_array_begin(c->params, DB_INT4, (size_t)db_rows(types));
        for (int i = 0; i < db_rows(types); i++)
                db_element_int(c->params, db_int(types, i, 0));
        db_array_end(c->params);
}

static int republish_types(struct context *c, const struct db_result *types,
                           struct db_result **ret_runs, struct err *e)
{
        add_types(c, types);
        db_add_int8(c->params, c->service->scheduler.chunk);
        if (db_query(c->db, sql_plan_resumed_follow_ups, c->params, NULL, e) < 0)
                return -1;
        add_types(c, types);
        if (db_query(c->db, sql_republish_resumed, c->params, ret_runs, e) < 0)
                return -1;
        return db_query(c->db, sql_republish_resumed_requests, c->params, NULL, e);
}

static void log_resumed(const struct db_result *types, const struct db_result *runs)
{
        for (int i = 0; i < db_rows(types); i++)
                log_info("task type resumed", "type=%s by=" LOG_Q, db_str(types, i, 1),
                         db_str(types, i, 2));
        for (int i = 0; i < db_rows(runs); i++)
                log_info("republishing run", RUN_Q,
                         RUN_VALUES(db_int(runs, i, 0), db_str(runs, i, 1), db_str(runs, i, 2),
                                    db_str(runs, i, 3)));
}

int republish_resumed(struct context *c, struct republished *ret, struct err *e)
{
        struct db_result *resumed CLEANUP(db_result_cleanup) = NULL;
        struct db_result *types CLEANUP(db_result_cleanup) = NULL;
        struct db_result *runs CLEANUP(db_result_cleanup) = NULL;
        if (db_query(c->db, sql_resumed_types, NULL, &resumed, e) < 0)
                return -1;
        if (db_rows(resumed) == 0)
                return 0;
        add_types(c, resumed);
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, sql_keep_resumed, c->params, NULL, e) < 0 ||
            db_query(c->db, sql_take_resumed, c->params, &types, e) < 0 ||
            republish_types(c, types, &runs, e) < 0)
                return -1;
        int rc = lease_commit(&c->lease, c->db, e);
        if (rc != 0)
                return rc;
        log_resumed(types, runs);
        ret->runs = true; /* also what is being published for the first time */
        return 0;
}

/* ---- another cluster, and logs that lost messages ---- */

static void add_lanes(struct context *c)
{
        db_params_reset(c->params);
        db_array_begin(c->params, DB_TEXT, LANE_COUNT);
        for (size_t i = 0; i < LANE_COUNT; i++)
                db_element_text(c->params, span_of(c->service->topics[i]));
        db_array_end(c->params);
}

static int find_lost(struct context *c, bool *ret_other_cluster, bool *ret_gaps, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        add_lanes(c);
        db_add_str(c->params, c->cluster);
        if (db_query(c->db, sql_find_lost, c->params, &r, e) < 0)
                return -1;
        *ret_other_cluster = db_bool(r, 0, 0);
        *ret_gaps = db_bool(r, 0, 1);
        return 0;
}

/* Gaps that are found meanwhile stay for the next time. */
static int take_gaps(struct context *c, struct err *e)
{
        add_lanes(c);
        if (db_query(c->db, sql_gaps_repaired, c->params, NULL, e) < 0)
                return -1;
        return db_query(c->db, "select rollcall.republish_requests(null, null)", NULL, NULL, e);
}

/* $1, $2 of the statements about runs whose tasks may be lost. */
static void add_lost(struct context *c, bool gaps)
{
        db_params_reset(c->params);
        db_add_str(c->params, c->cluster);
        db_add_bool(c->params, gaps);
}

static int republish_runs(struct context *c, bool gaps, struct db_result **ret_runs, struct err *e)
{
        add_lost(c, gaps);
        db_add_int8(c->params, c->service->scheduler.chunk);
        if (db_query(c->db, sql_plan_lost_follow_ups, c->params, NULL, e) < 0)
                return -1;
        add_lost(c, gaps);
        if (db_query(c->db, sql_republish_lost, c->params, ret_runs, e) < 0)
                return -1;
        db_params_reset(c->params);
        db_add_str(c->params, c->cluster);
        return db_query(c->db,
                        "update rollcall.run set cluster = $1 "
                        "where state in ('planned', 'published') and cluster is null",
                        c->params, NULL, e);
}

static void log_lost(const struct context *c, const struct db_result *runs, bool gaps)
{
        for (int i = 0; i < db_rows(runs); i++)
                log_warn("republishing run", RUN_Q " was_on=%s now_on=%s log_lost=%s",
                         RUN_VALUES(db_int(runs, i, 0), db_str(runs, i, 1), db_str(runs, i, 2),
                                    db_str(runs, i, 3)),
                         db_str(runs, i, 4), c->cluster, gaps ? "true" : "false");
}

int republish_lost(struct context *c, struct republished *ret, struct err *e)
{
        struct db_result *runs CLEANUP(db_result_cleanup) = NULL;
        bool other_cluster, gaps;
        if (find_lost(c, &other_cluster, &gaps, e) < 0)
                return -1;
        if (!other_cluster && !gaps)
                return 0;
        add_lost(c, gaps);
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, sql_keep_lost, c->params, NULL, e) < 0 ||
            (gaps && take_gaps(c, e) < 0) || republish_runs(c, gaps, &runs, e) < 0)
                return -1;
        int rc = lease_commit(&c->lease, c->db, e);
        if (rc != 0)
                return rc;
        log_lost(c, runs, gaps);
        if (gaps)
                ret->runs = ret->requests = true;
        return 0;
}
