/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a planner, and how its owner stops it. */
#include "planner.h"

#include "base/failpoint.h"
#include "plan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS_MAX = 32 * 1024 * 1024, STACK_BYTES = 512 * 1024 };

struct planner {
        pthread_t thread;
        bool running; /* not joined yet; the owner's */
        struct plan_options o;
        struct run *run;
        const char *stopped; /* the owner's */
        char reason[200];
        bool alert;
        atomic_bool stop, ended;
        struct db *db;
        /* read after the join */
        enum plan_end end;
        int64_t planned;
        char why[500];
};

/* Runs in the planner's thread while it waits for the database. */
static void cancel_if_stopped(void *ctx)
{
        struct planner *p = ctx;
        if (atomic_load(&p->stop))
                db_cancel(p->db);
}

/* Waiting for a lock has a limit, and the locks of a process that was paused are released: the
 * lease's row must not stay locked. */
static int open_session(struct planner *p, struct err *e)
{
        char sql[200];
        char *conninfo CLEANUP(cleanup_free) = NULL;
        if (service_conninfo(p->o.service, &conninfo, e) < 0 ||
            db_open(conninfo, p->o.lease.holder, (int)p->o.service->database.connect_timeout_ms,
                    &p->db, e) < 0)
                return -1;
        db_set_tick(p->db, cancel_if_stopped, p);
        snprintf(sql, sizeof sql,
                 "set idle_in_transaction_session_timeout = %lld; set lock_timeout = %lld; set "
                 "cursor_tuple_fraction = 1",
                 (long long)p->o.lease.length_ms, (long long)p->o.lease.length_ms);
        if (db_exec(p->db, sql, e) < 0)
                return -1;
        /* the server ends the statement of a planner that was killed, where its system can find out
         */
        (void)!db_exec(p->db, "set client_connection_check_interval = '1s'", NULL);
        return 0;
}

static enum plan_end run_plan(struct planner *p, struct err *e)
{
        struct db_params *params CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!params) {
                err_oom(e);
                return PLAN_RETRY;
        }
        if (open_session(p, e) < 0)
                return PLAN_RETRY;
        struct planning w = {
                .db = p->db, .params = params, .run = p->run, .o = &p->o, .population = -1
        };
        int rc = plan_run(&w, p->why, sizeof p->why, e);
        p->planned = w.planned;
        FAILPOINT("plan.committed");
        if (rc == PLAN_COMMITTED)
                return p->why[0] ? PLAN_HELD : PLAN_DONE;
        if (rc == PLAN_NOT_MET)
                return PLAN_REFUSED;
        if (rc == PLAN_NOT_OURS) {
                p->why[0] = '\0';
                return PLAN_RETRY;
        }
        if (atomic_load(&p->stop))
                return PLAN_STOPPED;
        /* a statement that takes longer than it may will do so again */
        bool passes = e->class == ERR_RETRY && strcmp(e->code, "57014") != 0;
        return passes || err_is_oom(e) || !db_alive(p->db) ? PLAN_RETRY : PLAN_FAILED;
}

static void *run_thread(void *arg)
{
        struct planner *p = arg;
        struct err e = ERR_INIT;
        p->end = run_plan(p, &e);
        if (e.class != ERR_NONE)
                snprintf(p->why, sizeof p->why, "%s", e.text);
        db_free(TAKE(p->db));
        atomic_store(&p->ended, true);
        return NULL;
}

int planner_start(const struct plan_options *o, struct run *run, struct planner **ret,
                  struct err *e)
{
        struct planner *p CLEANUP(planner_cleanup) = calloc(1, sizeof *p);
        pthread_attr_t attr;
        if (!p) {
                run_free(run);
                return err_oom(e);
        }
        p->o = *o;
        p->run = run;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK_BYTES);
        int rc = pthread_create(&p->thread, &attr, run_thread, p);
        pthread_attr_destroy(&attr);
        if (rc != 0)
                return err_set(e, ERR_RETRY, "", "no thread for planning: %s", strerror(rc));
        p->running = true;
        *ret = TAKE(p);
        return 0;
}

const struct run *planner_run(const struct planner *p)
{
        return p->run;
}

bool planner_manual(const struct planner *p)
{
        return p->o.manual;
}

bool planner_ended(const struct planner *p)
{
        return atomic_load(&p->ended);
}

void planner_stop(struct planner *p, const char *reason, bool alert)
{
        if (reason && !p->stopped) {
                p->alert = alert;
                snprintf(p->reason, sizeof p->reason, "%s", reason);
                p->stopped = p->reason;
        }
        atomic_store(&p->stop, true);
}

const char *planner_stopped(const struct planner *p)
{
        return p->stopped;
}

bool planner_alert(const struct planner *p)
{
        return p->alert;
}

enum plan_end planner_join(struct planner *p, int64_t *ret_planned, char *why, size_t max)
{
        if (p->running)
                pthread_join(p->thread, NULL);
        p->running = false;
        *ret_planned = p->planned;
        snprintf(why, max, "%s", p->why);
        return p->end;
}

void planner_free(struct planner *p)
{
        char ignored[1];
        int64_t planned;
        if (!p)
                return;
        (void)planner_join(p, &planned, ignored, sizeof ignored);
        run_free(p->run);
        free(p);
}
