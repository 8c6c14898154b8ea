/* Task types that were paused: the workers passed over their tasks. What open runs and requests
 * still owe of them is published again. */
#include "scheduler.h"

#include "base/log.h"

/* The follow-ups that nobody has taken become chunks of their own. They are counted as spawned
 * already. $1 types, $2 subjects per chunk. */
static const char PLAN_FOLLOW_UPS[] =
        "with lost as (select distinct r.run_no, r.chunks, t.type_no, o.subject::text as subject, o.item::text as item "
        "from rollcall.task_type t join rollcall.run r on r.state in ('planned', 'published') and t.name like r.pack || '.%' "
        "join rollcall.outcome o on o.day = r.day and o.run_no = r.run_no and o.follow_ups @> array[t.name] "
        "where t.type_no = any($1::int[]) and o.outcome = 0 and not o.dry_run "
        "and not exists (select from rollcall.outcome x where x.day = r.day and x.run_no = r.run_no and x.type_no = t.type_no "
        "and octet_length(x.subject) = octet_length(o.subject) and x.subject = o.subject and x.item = o.item)), "
        "placed as (select *, (row_number() over (partition by run_no, type_no order by subject, item) - 1) / $2::bigint as block from lost), "
        "gathered as (select run_no, chunks, type_no, block, array_agg(subject order by subject, item) as subjects, array_agg(item order by subject, item) as items "
        "from placed group by run_no, chunks, type_no, block), "
        "added as (insert into rollcall.plan (run_no, chunk, type_no, dry_run, subjects, items) "
        "select run_no, chunks + row_number() over (partition by run_no order by type_no, block)::integer - 1, type_no, false, subjects, items from gathered "
        "returning run_no) "
        "update rollcall.run r set chunks = r.chunks + n.n from (select run_no, count(*)::integer as n from added group by run_no) n where r.run_no = n.run_no";

static const char RUNS_AGAIN[] =
        "update rollcall.run r set again = true, chunks_published = 0, state = 'planned', published_at = null "
        "where r.state in ('planned', 'published') and exists (select from rollcall.plan p where p.run_no = r.run_no and p.type_no = any($1::int[])) "
        "returning r.run_no, r.pack, r.job";

/* Requests of which a task has no row in the ledger: what waits there is not lost. */
static const char REQUESTS_AGAIN[] =
        "update rollcall.request q set published_at = null, again = true where q.kind = 'tasks' and q.settled_at is null and q.type_no = any($1::int[]) and q.published_at is not null "
        "and exists (select from unnest(q.task_ids) i where not exists (select from rollcall.outcome_adhoc o where o.task_id = i))";

static const char RESUMED[] =
        "update rollcall.paused_type z set published_again_at = clock_timestamp() from rollcall.task_type t "
        "where t.type_no = z.type_no and z.resumed_at is not null and z.published_again_at is null returning z.type_no, t.name, z.resumed_by";

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
        if (db_query(s->db, PLAN_FOLLOW_UPS, s->params, NULL, e) < 0)
                return -1;
        add_types(s, types);
        if (db_query(s->db, RUNS_AGAIN, s->params, &r, e) < 0 ||
            db_query(s->db, REQUESTS_AGAIN, s->params, NULL, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(types); i++)
                log_info("task type resumed", "type=%s by=" LOG_Q, db_str(types, i, 1),
                         db_str(types, i, 2));
        for (int i = 0; i < db_rows(r); i++)
                log_info("run is published again", "run_no=%lld job=%s.%s",
                         (long long)db_int(r, i, 0), db_str(r, i, 1), db_str(r, i, 2));
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
        if (db_exec(s->db, "begin", e) < 0 || db_query(s->db, RESUMED, NULL, &types, e) < 0 ||
            publish_again(s, types, e) < 0)
                return -1;
        int rc = scheduler_commit(s, e);
        if (rc == 0)
                fanout_reset(s); /* also of runs that were being published for the first time */
        return rc;
}
