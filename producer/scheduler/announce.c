/* A run's end, and that it is held for review, is told on the jobs topic, and what a job wants done
 * then is asked for; noted when Kafka has acknowledged it, else repeated with the same ids. */
#include "scheduler.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <string.h>

enum { AGAIN_MS = 1000 };

/* ---- messages ---- */

static struct run_event event_of(const struct run *run, enum run_state state, instant at)
{
        struct run_event ev = {
                .run_id = run->run_id,
                .pack = span_of(run->pack_name),
                .job = span_of(run->job_name),
                .scheduled_at = run->scheduled_at,
                .state = span_of(run_state_name(state)),
                .dry_run = run->dry_run,
                .actor = span_of(run->requested_by),
                .reason = SPAN_LIT(""),
                .at = at,
        };
        char name[40];
        snprintf(name, sizeof name, "run/%s", run_state_name(state));
        ev.event_id = uuid_v5(run->run_id, name, strlen(name));
        return ev;
}

void announce_state(struct scheduler *s, const struct run *run, enum run_state state,
                    int64_t planned)
{
        struct err ignored = ERR_INIT;
        struct run_event ev = event_of(run, state, instant_now());
        ev.planned = planned;
        (void)!publish_run(s->publisher, &ev, 0, &ignored);
}

static void set_counts(struct run_event *ev, const struct db_result *r, int row)
{
        ev->planned = db_int(r, row, db_column(r, "planned"));
        ev->reason = db_span(r, row, db_column(r, "reason"));
        for (int o = 0; o < OUTCOME_COUNT; o++)
                ev->counts[o] = db_int(r, row, db_column(r, outcome_name((enum outcome)o)));
}

int announce_changed(struct scheduler *s, struct uuid run_id, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err ignored = ERR_INIT;
        char name[80];
        if (run_load(s->db, s->packs, run_id, &run, &ignored) != 0)
                return 0; /* settings of no job here */
        db_params_reset(s->params);
        db_add_int8(s->params, run->run_no);
        if (db_query(s->db, "select * from rollcall.run_progress where run_no = $1", s->params, &r,
                     e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        struct run_event ev = event_of(run, run->state, instant_now());
        snprintf(name, sizeof name, "run/%s/%lld", run_state_name(run->state), (long long)ev.at);
        ev.event_id = uuid_v5(run->run_id, name, strlen(name));
        set_counts(&ev, r, 0);
        (void)!publish_run(s->publisher, &ev, 0, &ignored);
        return 0;
}

static int publish_end(struct scheduler *s, struct announced *a, const struct run *run,
                       const struct db_result *r, int row, struct err *e)
{
        struct run_event ev = event_of(run, run->state, db_instant(r, row, db_column(r, "at")));
        set_counts(&ev, r, row);
        int rc = publish_run(s->publisher, &ev, (uint64_t)a->id << 32, e);
        a->waiting += rc == PUBLISH_QUEUED;
        return rc;
}

/* ---- what is on its way ---- */

void announce_acked(struct scheduler *s, uint64_t token)
{
        for (size_t i = 0; i < s->n_announced; i++)
                if (s->announced[i].id == token >> 32 && s->announced[i].waiting > 0)
                        s->announced[i].waiting--;
}

static bool on_its_way(const struct scheduler *s, int64_t run_no)
{
        for (size_t i = 0; i < s->n_announced; i++)
                if (s->announced[i].run_no == run_no)
                        return true;
        return false;
}

static int note(struct scheduler *s, const struct announced *a, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_exec(s->db, "begin", e) < 0 || announce_tasks(s, a, e) < 0)
                return -1;
        db_params_reset(s->params);
        db_add_int8(s->params, a->run_no);
        if (db_query(s->db, a->held ? sql_hold_announced : sql_end_announced, s->params, &r, e) < 0)
                return -1;
        int rc = scheduler_commit(s, e);
        if (rc == 0 && db_rows(r) == 1)
                log_info(a->held ? "held run announced" : "run's end announced",
                         RUN_Q " state=" LOG_Q " reason=" LOG_Q,
                         RUN_VALUES(a->run_no, db_str(r, 0, 0), db_str(r, 0, 1), db_str(r, 0, 2)),
                         db_str(r, 0, 3), db_str(r, 0, 4));
        return rc;
}

/* Notes what has arrived, and forgets what could not be handed over a moment ago. */
static int land(struct scheduler *s, struct err *e)
{
        for (size_t i = 0; i < s->n_announced;) {
                struct announced a = s->announced[i];
                if (a.waiting > 0 || (!a.whole && monotonic_ms() - a.at_ms < AGAIN_MS)) {
                        i++;
                        continue;
                }
                s->announced[i] = s->announced[--s->n_announced];
                if (!a.whole)
                        continue;
                FAILPOINT("announce.unnoted");
                int rc = note(s, &a, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static int announce(struct scheduler *s, const struct db_result *r, int row, struct err *e)
{
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err bad = ERR_INIT;
        struct announced *a = &s->announced[s->n_announced];
        *a = (struct announced){ .run_no = db_int(r, row, db_column(r, "run_no")),
                                 .held = db_bool(r, row, db_column(r, "held")),
                                 .at_ms = monotonic_ms(),
                                 .id = ++s->next_id };
        int rc = run_load(s->db, s->packs, db_uuid(r, row, db_column(r, "run_id")), &run, &bad);
        if (rc == 0)
                /* released meanwhile */
                rc = a->held && run->state != RUN_HELD ? 0 : publish_end(s, a, run, r, row, &bad);
        else if (rc < 0 && bad.class == ERR_INPUT)
                rc = 0; /* settings of no job here: nobody to tell */
        if (rc < 0 && bad.class != ERR_INPUT) {
                *e = bad;
                return -1;
        }
        if (rc < 0)
                log_error("a run's end cannot be told", "run_no=%lld run_id=%s error=" LOG_Q,
                          (long long)a->run_no, db_str(r, row, db_column(r, "run_id")), bad.text);
        a->whole = rc <= 0;
        s->n_announced++;
        return 0;
}

int announce_ends(struct scheduler *s, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = land(s, e);
        if (rc != 0)
                return rc;
        if (db_query(s->db, sql_unannounced_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r) && s->n_announced < ANNOUNCED_MAX; i++)
                if (!on_its_way(s, db_int(r, i, db_column(r, "run_no"))) &&
                    announce(s, r, i, e) < 0)
                        return -1;
        return 0;
}
