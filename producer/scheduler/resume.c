/* Task types that were paused: the workers passed over their tasks. What open runs and requests
 * still owe of them is published again. */
#include "scheduler.h"

#include "base/log.h"
#include "scheduler_statements.h"

static void add_types(struct scheduler *s, const struct db_result *types)
{
        db_params_reset(s->params);
        db_array_begin(s->params, DB_INT4, (size_t)db_rows(types));
        for (int i = 0; i < db_rows(types); i++)
                db_element_int(s->params, db_int(types, i, 0));
        db_array_end(s->params);
}

static int publish_again(struct scheduler *s, const struct db_result *types, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        add_types(s, types);
        db_add_int8(s->params, s->service->scheduler.chunk);
        if (db_query(s->db, sql_plan_resumed_follow_ups, s->params, NULL, e) < 0)
                return -1;
        add_types(s, types);
        if (db_query(s->db, sql_republish_resumed, s->params, &r, e) < 0 ||
            db_query(s->db, sql_republish_resumed_requests, s->params, NULL, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(types); i++)
                log_info("task type resumed", "type=%s by=" LOG_Q, db_str(types, i, 1),
                         db_str(types, i, 2));
        for (int i = 0; i < db_rows(r); i++)
                log_info("run is published again", RUN_Q,
                         RUN_VALUES(db_int(r, i, 0), db_str(r, i, 1), db_str(r, i, 2),
                                    db_str(r, i, 3)));
        return 0;
}

int resume_look(struct scheduler *s, struct err *e)
{
        struct db_result *types CLEANUP(db_result_cleanup) = NULL,
                                *any CLEANUP(db_result_cleanup) = NULL;
        if (db_query(
                    s->db,
                    "select from rollcall.paused_type where resumed_at is not null and published_again_at is null limit 1",
                    NULL, &any, e) < 0)
                return -1;
        if (db_rows(any) == 0)
                return 0;
        if (db_exec(s->db, "begin", e) < 0 ||
            db_query(s->db, sql_take_resumed, NULL, &types, e) < 0 ||
            publish_again(s, types, e) < 0)
                return -1;
        int rc = scheduler_commit(s, e);
        if (rc == 0)
                fanout_reset(s); /* also of runs that were being published for the first time */
        return rc;
}
