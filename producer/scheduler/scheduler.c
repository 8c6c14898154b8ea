/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: the leader does its duties when something is notified or due, and publishes in between;
 * the others try to take the lease. */
#include "scheduler.h"

#include "admission.h"
#include "alert/watch.h"
#include "announce.h"
#include "base/log.h"
#include "base/trouble.h"
#include "closing.h"
#include "connections.h"
#include "daemon/daemon.h"
#include "daemon/reload.h"
#include "fanout.h"
#include "ledger/presence.h"
#include "recount.h"
#include "republish.h"
#include "request_settle.h"
#include "requests.h"
#include "scheduler_statements.h"
#include "slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        PARAMS_MAX = 64 * 1024,
        OPEN_DUTIES_MS = 100, /* while a run is open */
        SLICE_MS = 20,
        POLL_MS = 10,
        WAIT_MS = 200,
        BACKOFF_MS = 500,
        FLUSH_MS = 10000,
        STOP_MS = 10000,
};

struct scheduler {
        struct context c;
        struct connections *connections;
        struct slots *slots;
        struct admission *admission;
        struct fanouts *fanouts;
        struct requests *requests;
        struct announcer *announcer;
        struct watch *watch;
        bool leading;      /* as was logged */
        bool notified;     /* something about runs */
        int64_t duties_ms; /* monotonic, as the others: when the duties are due */
        int64_t progress_ms, presence_ms;
        struct trouble trouble;
};

/* ---- events ---- */

static void handle_ack(void *ctx, uint64_t token, const struct err *e)
{
        struct scheduler *s = ctx;
        (void)e; /* an event that is published once: it is not repeated */
        if (!fanout_acked(s->fanouts, token) && !requests_acked(s->requests, token))
                announce_acked(s->announcer, token);
}

static void handle_notification(void *ctx, const char *channel)
{
        struct scheduler *s = ctx;
        if (strcmp(channel, "rollcall_request") == 0)
                requests_notified(s->requests);
        else
                s->notified = true;
}

static void log_trouble(struct scheduler *s, const struct err *e)
{
        if (!trouble_is_news(&s->trouble, e, monotonic_ms()))
                return;
        log_warn("cannot make progress, will retry", "class=%s error=" LOG_Q,
                 err_class_name(e->class), e->text);
}

static void log_recovered(struct scheduler *s)
{
        if (trouble_is_over(&s->trouble))
                log_info("recovered", "holder=" LOG_Q, s->c.lease.holder);
}

/* What is being published is forgotten: it is read from the tables again. */
static void reset_work(struct scheduler *s)
{
        fanout_reset(s->fanouts);
        requests_reset(s->requests);
        announce_reset(s->announcer);
}

/* ---- the duties of the leader ---- */

static int republish(struct scheduler *s, struct err *e)
{
        struct republished what = { 0 };
        int rc = republish_resumed(&s->c, &what, e);
        if (rc == 0)
                rc = republish_lost(&s->c, &what, e);
        if (what.runs)
                fanout_reset(s->fanouts);
        if (what.requests)
                requests_reset(s->requests);
        return rc;
}

/* Everything but publishing. */
static int run_duties(struct scheduler *s, struct err *e)
{
        int rc = slots_request(s->slots, e);
        if (rc == 0)
                rc = admission_collect(s->admission, e);
        if (rc == 0)
                rc = admission_start(s->admission, e);
        if (rc == 0)
                rc = republish(s, e);
        if (rc == 0)
                rc = fanout_find(s->fanouts, e);
        if (rc == 0)
                rc = closing_complete(&s->c, e);
        if (rc == 0)
                rc = recount_closed(&s->c, e);
        return rc ? rc : announce_ends(s->announcer, e);
}

static int find_open(struct scheduler *s, bool *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        *ret = true;
        if (fanout_active(s->fanouts))
                return 0;
        if (db_query(s->c.db, sql_any_open_run, NULL, &r, e) < 0)
                return -1;
        *ret = db_rows(r) > 0 || announce_pending(s->announcer) || admission_busy(s->admission);
        return 0;
}

/* The duties, if they are due; and when they are due again. */
static int check_duties(struct scheduler *s, struct err *e)
{
        bool open;
        if (!s->notified && monotonic_ms() < s->duties_ms)
                return 0;
        s->notified = false;
        s->duties_ms = 0;
        int rc = run_duties(s, e);
        if (rc != 0)
                return rc;
        if (find_open(s, &open, e) < 0)
                return -1;
        s->duties_ms = slots_due_ms(s->slots);
        int64_t soon = monotonic_ms() + (fanout_soon(s->fanouts) ? POLL_MS : OPEN_DUTIES_MS);
        if (open && soon < s->duties_ms)
                s->duties_ms = soon;
        return 0;
}

/* Publishes runs for a moment; a request waits for none of them. 0: all wait for acknowledgements
 * or workers; WORK_LEFT; LEAD_LOST; -1. */
static int publish_slice(struct scheduler *s, struct err *e)
{
        int64_t until = monotonic_ms() + SLICE_MS;
        int runs, requests;
        do {
                runs = fanout_round(s->fanouts, e);
                if (runs < 0 || runs == LEAD_LOST)
                        return runs;
                if (db_wait_notify(s->c.lease_db, 0, e) < 0)
                        return -1;
                requests = requests_work(s->requests, e);
                if (requests < 0 || requests == LEAD_LOST)
                        return requests;
                publisher_poll(s->c.publisher, 0);
        } while ((runs == WORK_LEFT || requests == WORK_LEFT) &&
                 !connections_failed(s->connections) && monotonic_ms() < until);
        return runs == WORK_LEFT || requests == WORK_LEFT ? WORK_LEFT : 0;
}

/* Until an acknowledgement, a notification, or the time `until_ms`. */
static int wait_for_work(struct scheduler *s, int64_t until_ms, struct err *e)
{
        struct publisher *publisher = s->c.publisher;
        int64_t left = until_ms - monotonic_ms();
        int ms = left < 0 ? 0 : left < WAIT_MS ? (int)left : WAIT_MS;
        bool busy = publisher && (publisher_unacked(publisher) > 0 || fanout_active(s->fanouts));
        if (busy || (s->c.prompt && requests_pending(s->requests))) {
                publisher_poll(busy ? publisher : s->c.prompt, ms < POLL_MS ? ms : POLL_MS);
                ms = 0;
        }
        return db_wait_notify(s->c.lease_db, ms, e) < 0 ? -1 : 0;
}

static int lead_once(struct scheduler *s, struct err *e)
{
        struct context *c = &s->c;
        int rc = requests_work(s->requests, e);
        if (rc < 0 || rc == LEAD_LOST)
                return rc;
        rc = check_duties(s, e);
        if (rc != 0)
                return rc;
        if (closing_store_progress(c, &s->progress_ms, e) < 0 ||
            watch_check(s->watch, c->db, c->publisher ? publisher_client(c->publisher) : NULL,
                        c->cluster, e) < 0)
                return -1;
        rc = publish_slice(s, e);
        if (rc < 0)
                return -1;
        connections_watch_acks(s->connections);
        if (rc == 0 && request_settle(s->requests, e) < 0)
                return -1;
        return wait_for_work(s, rc == WORK_LEFT ? 0 : s->duties_ms, e);
}

static void set_leading(struct scheduler *s, bool leading)
{
        if (leading == s->leading)
                return;
        s->leading = leading;
        if (leading) {
                log_info("leading", "epoch=%lld", (long long)s->c.lease.epoch);
                s->duties_ms = 0;
                slots_reset(s->slots);
        } else {
                log_warn("no longer leading", "holder=" LOG_Q, s->c.lease.holder);
                reset_work(s);
                admission_stop(s->admission);
        }
}

static int iterate(struct scheduler *s, struct err *e)
{
        bool leading;
        if (lease_keep(&s->c.lease, s->c.lease_db, &leading, e) < 0)
                return -1;
        if (leading != s->leading)
                s->presence_ms = 0;
        char refused[DAEMON_REFUSED_MAX];
        struct presence me = { .name = s->c.lease.holder,
                               .program = "rollcall-scheduler",
                               .leading = leading };
        me.refused_reload = daemon_reload_refused(refused, &me.refused_at);
        if (presence_note(s->c.db, &me, &s->presence_ms, e) < 0)
                return -1;
        set_leading(s, leading);
        if (leading) /* a lost lead is noticed by the next iteration */
                return lead_once(s, e) < 0 ? -1 : 0;
        (void)admission_stopped(s->admission);
        return wait_for_work(s, monotonic_ms() + WAIT_MS, e);
}

static void run_loop(struct scheduler *s, struct daemon *d, bool *ret_started, struct err *e)
{
        while (!daemon_stopping()) {
                daemon_serve(d);
                int rc = connections_open(s->connections, e);
                if (rc == 0 && !*ret_started) {
                        *ret_started = true;
                        daemon_ready(d);
                }
                if (rc == 0)
                        rc = iterate(s, e);
                if (rc == 0) {
                        log_recovered(s);
                        continue;
                }
                if (e->class == ERR_FATAL && !*ret_started)
                        return;
                log_trouble(s, e);
                reset_work(s);
                connections_close_database(s->connections);
                daemon_sleep(BACKOFF_MS);
        }
}

/* ---- beginning and end ---- */

/* What has been handed to Kafka gets its acknowledgement, so that the next leader need not publish
 * it again. */
static void flush(struct scheduler *s)
{
        struct context *c = &s->c;
        struct err ignored = ERR_INIT;
        if (!c->publisher || daemon_stop_now() || !publisher_flush(c->publisher, FLUSH_MS) ||
            !c->db || !db_alive(c->db) || !c->lease.epoch || !publisher_flush(c->prompt, FLUSH_MS))
                return;
        if (fanout_checkpoint(s->fanouts, &ignored) == 0 &&
            requests_checkpoint(s->requests, &ignored) == 0)
                (void)!announce_ends(s->announcer, &ignored);
}

static void stop(struct scheduler *s)
{
        struct context *c = &s->c;
        int64_t until = monotonic_ms() + STOP_MS;
        admission_stop(s->admission);
        flush(s);
        if (c->lease_db && db_alive(c->lease_db)) {
                lease_release(&c->lease, c->lease_db);
                presence_leave(c->lease_db, c->lease.holder);
        }
        while (!admission_stopped(s->admission)) {
                if (daemon_stop_now() || monotonic_ms() > until) {
                        log_warn("shutdown timed out, abandoning a plan in progress",
                                 "holder=" LOG_Q, c->lease.holder);
                        /* its thread waits for a database that does not answer */
                        _exit(EXIT_SUCCESS);
                }
                usleep(POLL_MS * 1000);
        }
}

static int open_parts(struct scheduler *s, struct err *e)
{
        struct context *c = &s->c;
        const struct connection_events events = { .ctx = s,
                                                  .acked = handle_ack,
                                                  .notified = handle_notification };
        c->params = db_params_new(PARAMS_MAX);
        if (!c->params)
                return err_oom(e);
        if (slots_new(c, &s->slots, e) < 0 || admission_new(c, &s->admission, e) < 0 ||
            fanouts_new(c, s->admission, &s->fanouts, e) < 0 ||
            requests_new(c, &s->requests, e) < 0 || announcer_new(c, &s->announcer, e) < 0 ||
            connections_new(c, &events, &s->connections, e) < 0)
                return -1;
        return watch_new(c->service, c->packs, &s->watch, e);
}

/* The connections first: they report to the others. */
static void free_parts(struct scheduler *s)
{
        connections_free(s->connections);
        watch_free(s->watch);
        announcer_free(s->announcer);
        requests_free(s->requests);
        fanouts_free(s->fanouts);
        admission_free(s->admission);
        slots_free(s->slots);
        type_numbers_free(s->c.types);
        db_params_free(s->c.params);
}

int scheduler_run(struct daemon *d, struct err *e)
{
        struct scheduler s = { .c.service = d->service,
                               .c.packs = d->packs,
                               .c.lease.length_ms = d->service->scheduler.lease_ms };
        char host[64] = "";
        bool started = false;
        gethostname(host, sizeof host - 1);
        snprintf(s.c.lease.holder, sizeof s.c.lease.holder, "rollcall-scheduler %s/%d", host,
                 (int)getpid());
        int rc = open_parts(&s, e);
        if (rc == 0) {
                run_loop(&s, d, &started, e);
                rc = started || daemon_stopping() ? 0 : -1;
                stop(&s);
        }
        free_parts(&s);
        return rc;
}
