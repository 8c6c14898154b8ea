/* SPDX-License-Identifier: Apache-2.0 */
/* A run's end, and that it is held for review, is published until Kafka has acknowledged it, with
 * the same ids each time. Recording that, and requesting what follows, is one transaction. */
#include "announce.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "end_tasks.h"
#include "run_close.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING_MAX = 32, RETRY_MS = 1000, SOON_MS = 2000, POLL_MS = 20 };

/* A run event that Kafka has not acknowledged yet. */
struct pending {
        int64_t run_no, at_ms;
        uint32_t id;    /* upper half of the token */
        size_t unacked; /* messages */
        bool held;      /* the run is held for review, not closed */
        bool complete;  /* handed to Kafka; else the queue was full */
};

struct announcer {
        struct context *c;
        struct pending list[PENDING_MAX];
        size_t n;
};

int announcer_new(struct context *c, struct announcer **ret, struct err *e)
{
        struct announcer *a = calloc(1, sizeof *a);
        if (!a)
                return err_oom(e);
        a->c = c;
        *ret = a;
        return 0;
}

void announcer_free(struct announcer *a)
{
        free(a);
}

void announce_reset(struct announcer *a)
{
        a->n = 0;
}

bool announce_pending(const struct announcer *a)
{
        return a->n > 0;
}

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

/* Nobody keeps it for a second try: what cannot be sent for so long is missing on the topic. */
static void publish_soon(struct context *c, const struct run_event *ev)
{
        struct err ignored = ERR_INIT;
        int64_t until = monotonic_ms() + SOON_MS;
        while (publish_run(c->publisher, ev, 0, &ignored) == PUBLISH_WAIT && monotonic_ms() < until)
                publisher_poll(c->publisher, POLL_MS);
}

void announce_state(struct context *c, const struct run *run, enum run_state state, int64_t planned)
{
        struct run_event ev = event_of(run, state, instant_now());
        ev.planned = planned;
        publish_soon(c, &ev);
}

static void set_counts(struct run_event *ev, const struct db_result *r, int row)
{
        ev->planned = db_int(r, row, db_column(r, "planned"));
        ev->reason = db_span(r, row, db_column(r, "reason"));
        for (int o = 0; o < OUTCOME_COUNT; o++)
                ev->counts[o] = db_int(r, row, db_column(r, outcome_name((enum outcome)o)));
}

int announce_changed(struct context *c, struct uuid run_id, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err ignored = ERR_INIT;
        char name[80];
        if (run_load(c->db, c->packs, run_id, &run, &ignored) != 0)
                return 0; /* not of this configuration */
        db_params_reset(c->params);
        db_add_int8(c->params, run->run_no);
        if (db_query(c->db, "select * from rollcall.run_progress where run_no = $1", c->params, &r,
                     e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        struct run_event ev = event_of(run, run->state, instant_now());
        snprintf(name, sizeof name, "run/%s/%lld", run_state_name(run->state), (long long)ev.at);
        ev.event_id = uuid_v5(run->run_id, name, strlen(name));
        set_counts(&ev, r, 0);
        publish_soon(c, &ev);
        return 0;
}

static int publish_end(struct context *c, struct pending *p, const struct run *run,
                       const struct db_result *r, int row, struct err *e)
{
        struct run_event ev = event_of(run, run->state, db_instant(r, row, db_column(r, "at")));
        set_counts(&ev, r, row);
        int rc = publish_run(c->publisher, &ev, (uint64_t)p->id << 32, e);
        p->unacked += rc == PUBLISH_QUEUED;
        return rc;
}

/* ---- what is pending ---- */

void announce_acked(struct announcer *a, uint64_t token)
{
        for (size_t i = 0; i < a->n; i++)
                if (a->list[i].id == token >> 32 && a->list[i].unacked > 0)
                        a->list[i].unacked--;
}

static bool is_pending(const struct announcer *a, int64_t run_no)
{
        for (size_t i = 0; i < a->n; i++)
                if (a->list[i].run_no == run_no)
                        return true;
        return false;
}

static int record_announced(struct context *c, const struct pending *p, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_exec(c->db, "begin", e) < 0 || end_tasks_request(c, p->run_no, p->held, e) < 0)
                return -1;
        db_params_reset(c->params);
        db_add_int8(c->params, p->run_no);
        if (db_query(c->db, p->held ? sql_hold_announced : sql_end_announced, c->params, &r, e) < 0)
                return -1;
        int rc = lease_commit(&c->lease, c->db, e);
        if (rc == 0 && db_rows(r) == 1)
                log_info(p->held ? "held run announced" : "run's end announced",
                         RUN_Q " state=" LOG_Q " reason=" LOG_Q,
                         RUN_VALUES(p->run_no, db_str(r, 0, 0), db_str(r, 0, 1), db_str(r, 0, 2)),
                         db_str(r, 0, 3), db_str(r, 0, 4));
        return rc;
}

/* Records what is acknowledged, and forgets after a moment what could not be handed to Kafka. */
static int retire_pending(struct announcer *a, struct err *e)
{
        for (size_t i = 0; i < a->n;) {
                struct pending p = a->list[i];
                if (p.unacked > 0 || (!p.complete && monotonic_ms() - p.at_ms < RETRY_MS)) {
                        i++;
                        continue;
                }
                a->list[i] = a->list[--a->n];
                if (!p.complete)
                        continue;
                FAILPOINT("announce.unnoted");
                int rc = record_announced(a->c, &p, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static int announce_run(struct announcer *a, const struct db_result *r, int row, struct err *e)
{
        struct context *c = a->c;
        struct run *run CLEANUP(run_cleanup) = NULL;
        struct err bad = ERR_INIT;
        struct pending *p = &a->list[a->n];
        *p = (struct pending){ .run_no = db_int(r, row, db_column(r, "run_no")),
                               .held = db_bool(r, row, db_column(r, "held")),
                               .at_ms = monotonic_ms(),
                               .id = ++c->last_token };
        int rc = run_load(c->db, c->packs, db_uuid(r, row, db_column(r, "run_id")), &run, &bad);
        if (rc == 0)
                /* else released meanwhile */
                rc = !p->held || run->state == RUN_HELD ? publish_end(c, p, run, r, row, &bad) : 0;
        else if (rc < 0 && bad.class == ERR_INPUT)
                rc = 0; /* its settings are not of this configuration: no event can be made */
        if (rc < 0 && bad.class != ERR_INPUT) {
                *e = bad;
                return -1;
        }
        if (rc < 0)
                log_error("cannot publish the end of a run", "run_no=%lld run_id=%s error=" LOG_Q,
                          (long long)p->run_no, db_str(r, row, db_column(r, "run_id")), bad.text);
        p->complete = rc <= 0;
        a->n++;
        return 0;
}

int announce_ends(struct announcer *a, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = retire_pending(a, e);
        if (rc != 0)
                return rc;
        if (db_query(a->c->db, sql_unannounced_runs, NULL, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r) && a->n < PENDING_MAX; i++)
                if (!is_pending(a, db_int(r, i, db_column(r, "run_no"))) &&
                    announce_run(a, r, i, e) < 0)
                        return -1;
        return 0;
}
