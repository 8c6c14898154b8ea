#include "run.h"
#include "scheduler.h"

#include "base/log.h"
#include "daemon/daemon.h"
#include "ledger/presence.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        PARAMS_MAX = 64 * 1024,
        QUEUE_MAX = 16 * 1024 * 1024,
        PROMPT_MAX = 4 * 1024 * 1024,
        CLUSTER_TIMEOUT_MS = 1000,
        OPEN_LOOK_MS = 100,
        SLICE_MS = 20,
        POLL_MS = 10,
        WAIT_MS = 200,
        BACKOFF_MS = 500,
        FLUSH_MS = 10000,
        STOP_MS = 10000,
        STALL_MS = 10000,
};

int scheduler_commit(struct scheduler *s, struct err *e)
{
        int rc = lease_check(&s->lease, s->db, e);
        if (rc == 0)
                return db_exec(s->db, "commit", e);
        return rc < 0 || db_exec(s->db, "rollback", e) < 0 ? -1 : 1;
}

/* ---- the database ---- */

/* Whoever is paused in the middle of a transaction must not keep the lease's row locked; and nobody
 * waits for it for ever. */
static int connect(struct scheduler *s, const char *name, struct db **ret, struct err *e)
{
        char sql[160];
        if (*ret && db_alive(*ret))
                return 0;
        char *conninfo CLEANUP(cleanup_free) = NULL;
        db_free(TAKE(*ret));
        if (service_conninfo(s->service, &conninfo, e) < 0 ||
            db_open(conninfo, name, (int)s->service->database.connect_timeout_ms, ret, e) < 0)
                return -1;
        snprintf(sql, sizeof sql,
                 "set idle_in_transaction_session_timeout = %lld; set lock_timeout = %lld",
                 (long long)s->lease.length_ms, (long long)s->lease.length_ms);
        return db_exec(*ret, sql, e);
}

/* While a long statement runs, the lease is kept on its own connection. What fails here is met
 * again by the loop. */
static void keep_lease(void *ctx)
{
        struct scheduler *s = ctx;
        struct err ignored = ERR_INIT;
        if (s->lease.epoch && s->lease_db && db_alive(s->lease_db))
                (void)!lease_keep(&s->lease, s->lease_db, &ignored);
}

/* Jobs that were added to a pack since `rollcall db apply`. */
static int register_jobs(struct scheduler *s, struct err *e)
{
        for (size_t i = 0; i < s->packs->n; i++)
                for (size_t k = 0; k < s->packs->list[i]->n_jobs; k++) {
                        db_params_reset(s->params);
                        db_add_str(s->params, s->packs->list[i]->name);
                        db_add_str(s->params, s->packs->list[i]->jobs[k].name);
                        if (db_query(
                                    s->db,
                                    "insert into rollcall.job (pack, job) values ($1, $2) on conflict do nothing",
                                    s->params, NULL, e) < 0)
                                return -1;
                }
        return 0;
}

static void notified(void *ctx, const char *channel)
{
        struct scheduler *s = ctx;
        if (strcmp(channel, "rollcall_request") == 0)
                requests_notified(s->requests);
        else
                s->look_now = true;
}

static int open_database(struct scheduler *s, struct err *e)
{
        if (s->db && db_alive(s->db) && s->lease_db && db_alive(s->lease_db))
                return 0;
        if (connect(s, "rollcall-scheduler", &s->db, e) < 0 ||
            connect(s, "rollcall-scheduler lease", &s->lease_db, e) < 0)
                return -1;
        db_set_tick(s->db, keep_lease, s);
        db_on_notify(s->lease_db, notified, s);
        requests_notified(s->requests);
        if (ledger_check(s->db, s->service->kafka.prefix, e) < 0 ||
            (!s->types && type_numbers_load(s->db, s->packs, &s->types, e) < 0) ||
            register_jobs(s, e) < 0)
                return -1;
        return db_exec(s->lease_db, "listen rollcall_run; listen rollcall_request", e);
}

static void close_database(struct scheduler *s)
{
        fanout_reset(s);
        requests_reset(s);
        s->n_announced = 0;
        db_free(TAKE(s->db));
        db_free(TAKE(s->lease_db));
}

/* ---- Kafka ---- */

static void acked(void *ctx, uint64_t token, const struct err *e)
{
        struct scheduler *s = ctx;
        s->acked_ms = monotonic_ms();
        if (e && token) {
                s->failed = true;
                snprintf(s->failure, sizeof s->failure, "%s", e->text);
        } else if (!fanout_acked(s, token) && !requests_acked(s, token)) {
                announce_acked(s, token);
        }
}

static void close_kafka(struct scheduler *s)
{
        fanout_reset(s);
        requests_reset(s);
        s->n_announced = 0;
        publisher_free(TAKE(s->publisher));
        publisher_free(TAKE(s->prompt));
        s->cluster = NULL;
        s->failed = s->stalled = false;
}

static int open_kafka(struct scheduler *s, struct err *e)
{
        if (s->publisher && (s->failed || publisher_broker_restarted(s->publisher))) {
                err_set(e, ERR_RETRY, "", "%s",
                        s->failed ? s->failure : "the embedded broker was restarted");
                close_kafka(s);
                return -1;
        }
        if (!s->publisher) {
                struct publisher_options o = { .service = s->service,
                                               .source = "/rollcall/scheduler",
                                               .client_id = s->lease.holder,
                                               .queue_max_bytes = QUEUE_MAX,
                                               .acked = acked,
                                               .ctx = s };
                if (publisher_new(&o, &s->publisher, e) < 0)
                        return -1;
        }
        if (!s->prompt) {
                struct publisher_options o = { .service = s->service,
                                               .source = "/rollcall/scheduler",
                                               .client_id = s->lease.holder,
                                               .queue_max_bytes = PROMPT_MAX,
                                               .acked = acked,
                                               .ctx = s,
                                               .no_linger = true };
                if (publisher_new(&o, &s->prompt, e) < 0)
                        return -1;
        }
        return s->cluster ? 0 : publisher_cluster(s->publisher, CLUSTER_TIMEOUT_MS, &s->cluster, e);
}

static void watch_acks(struct scheduler *s)
{
        int64_t now = monotonic_ms();
        if (publisher_unacked(s->publisher) == 0)
                s->acked_ms = now;
        bool stalled = now - s->acked_ms >= STALL_MS;
        if (stalled && !s->stalled)
                log_warn("Kafka does not acknowledge", "messages=%zu",
                         publisher_unacked(s->publisher));
        if (!stalled && s->stalled)
                log_info("Kafka acknowledges again", "cluster=%s", s->cluster);
        s->stalled = stalled;
}

/* ---- the loop ---- */

static void say(struct scheduler *s, const struct err *e)
{
        if (strncmp(s->said, e->text, sizeof s->said - 1) == 0)
                return;
        snprintf(s->said, sizeof s->said, "%s", e->text);
        log_warn("waiting", "class=%s error=" LOG_Q, err_class_name(e->class), e->text);
}

static void say_well(struct scheduler *s)
{
        if (s->said[0])
                log_info("going on", "holder=" LOG_Q, s->lease.holder);
        s->said[0] = '\0';
}

static int open_runs(struct scheduler *s, bool *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(s->db, sql_any_open_run, NULL, &r, e) < 0)
                return -1;
        *ret = db_rows(r) > 0 || s->n_announced > 0 || take_any(s);
        return 0;
}

/* Everything but publishing. 0; 1 the lead is lost; -1 error. */
static int look(struct scheduler *s, struct err *e)
{
        bool any;
        int rc = 0;
        if (monotonic_ms() >= s->slots_ms)
                rc = slots_request(s, e);
        if (rc == 0)
                rc = take_planned(s, &any, e);
        if (rc == 0)
                rc = take_requested(s, e);
        if (rc == 0)
                rc = resume_look(s, e);
        if (rc == 0)
                rc = fanout_look(s, e);
        if (rc == 0)
                rc = close_complete(s, e);
        if (rc == 0)
                rc = recount_closed(s, e);
        return rc ? rc : announce_ends(s, e);
}

/* Until something happens: an acknowledgement, a notification, the time `until_ms`. 1: look at
 * once. */
static int rest(struct scheduler *s, int64_t until_ms, struct err *e)
{
        int64_t left = until_ms - monotonic_ms();
        int ms = left < 0 ? 0 : left < WAIT_MS ? (int)left : WAIT_MS;
        bool busy = s->publisher && (publisher_unacked(s->publisher) > 0 || s->n_fanouts > 0);
        if (busy || (s->prompt && requests_waiting(s->requests))) {
                publisher_poll(busy ? s->publisher : s->prompt, ms < POLL_MS ? ms : POLL_MS);
                ms = 0;
        }
        return db_wait_notify(s->lease_db, ms, e);
}

static int lead(struct scheduler *s, int64_t *look_ms, struct err *e)
{
        int rc = requests_work(s, e);
        if (rc < 0 || rc == 2)
                return rc < 0 ? -1 : 0;
        if (s->look_now)
                *look_ms = 0;
        if (monotonic_ms() >= *look_ms) {
                bool open = true;
                s->look_now = false;
                rc = look(s, e);
                if (rc != 0)
                        return rc < 0 ? -1 : 0;
                if (s->n_fanouts == 0 && open_runs(s, &open, e) < 0)
                        return -1;
                *look_ms = open ? monotonic_ms() + (s->planned_soon ? POLL_MS : OPEN_LOOK_MS)
                                : s->slots_ms;
                if (*look_ms > s->slots_ms)
                        *look_ms = s->slots_ms;
        }
        if (close_note_progress(s, e) < 0 ||
            watch_look(s->watch, s->db, s->publisher ? publisher_client(s->publisher) : NULL,
                       s->cluster, e) < 0)
                return -1;
        int more = fanout_work(s, SLICE_MS, e);
        if (more < 0)
                return -1;
        watch_acks(s);
        if (more == 0 && requests_settle(s, e) < 0)
                return -1;
        return rest(s, more == 1 ? 0 : *look_ms, e) < 0 ? -1 : 0;
}

static int turn(struct scheduler *s, int64_t *look_ms, struct err *e)
{
        int leading = lease_keep(&s->lease, s->lease_db, e);
        if (leading < 0)
                return -1;
        if ((leading == 1) != s->leading)
                s->present_ms = 0;
        char refused[DAEMON_REFUSED_MAX];
        struct presence me = { .name = s->lease.holder,
                               .program = "rollcall-scheduler",
                               .leading = leading };
        me.refused_reload = daemon_reload_refused(refused, &me.refused_at);
        if (presence_note(s->db, &me, &s->present_ms, e) < 0)
                return -1;
        if (leading && !s->leading) {
                log_info("leading", "epoch=%lld", (long long)s->lease.epoch);
                *look_ms = s->slots_ms = 0;
                s->leading = true;
        }
        if (leading)
                return lead(s, look_ms, e);
        if (s->leading) {
                log_warn("no longer leading", "holder=" LOG_Q, s->lease.holder);
                s->leading = false;
                fanout_reset(s);
                requests_reset(s);
                s->n_announced = 0;
                take_stop(s);
        }
        (void)take_stopped(s);
        return rest(s, monotonic_ms() + WAIT_MS, e) < 0 ? -1 : 0;
}

/* ---- beginning and end ---- */

/* What has been handed to Kafka gets its acknowledgement, so that the next leader need not publish
 * it again. */
static void leave(struct scheduler *s)
{
        struct err ignored = ERR_INIT;
        int64_t until = monotonic_ms() + STOP_MS;
        take_stop(s);
        if (s->publisher && !daemon_stop_now() && publisher_flush(s->publisher, FLUSH_MS) &&
            s->db && db_alive(s->db) && s->lease.epoch) {
                if (publisher_flush(s->prompt, FLUSH_MS) && fanout_note_all(s, &ignored) == 0 &&
                    requests_note_all(s, &ignored) == 0)
                        (void)!announce_ends(s, &ignored);
        }
        if (s->lease_db && db_alive(s->lease_db)) {
                lease_release(&s->lease, s->lease_db);
                presence_leave(s->lease_db, s->lease.holder);
        }
        while (!take_stopped(s)) {
                if (daemon_stop_now() || monotonic_ms() > until) {
                        log_warn("a plan in the making is given up", "holder=" LOG_Q,
                                 s->lease.holder);
                        /* its thread waits for a database that does not answer */
                        _exit(EXIT_SUCCESS);
                }
                usleep(POLL_MS * 1000);
        }
}

static size_t count_jobs(const struct packs *p)
{
        size_t n = 0;
        for (size_t i = 0; i < p->n; i++)
                n += p->list[i]->n_jobs;
        return n;
}

static void serve(struct scheduler *s, struct daemon *d, bool *ret_started, struct err *e)
{
        int64_t look_ms = 0;
        while (!daemon_stopping()) {
                daemon_serve(d);
                int rc = open_database(s, e) < 0 || open_kafka(s, e) < 0 ? -1 : 0;
                if (rc == 0 && !*ret_started) {
                        *ret_started = true;
                        daemon_ready(d);
                }
                if (rc == 0)
                        rc = turn(s, &look_ms, e);
                if (rc == 0) {
                        say_well(s);
                        continue;
                }
                if (e->class == ERR_FATAL && !*ret_started)
                        return;
                say(s, e);
                close_database(s);
                daemon_sleep(BACKOFF_MS);
        }
}

int scheduler_run(struct daemon *d, struct err *e)
{
        struct scheduler s = { .service = d->service,
                               .packs = d->packs,
                               .lease.length_ms = d->service->scheduler.lease_ms };
        char host[64] = "";
        bool started = false;
        gethostname(host, sizeof host - 1);
        snprintf(s.lease.holder, sizeof s.lease.holder, "rollcall-scheduler %s/%d", host,
                 (int)getpid());
        s.params = db_params_new(PARAMS_MAX);
        s.waits = calloc(count_jobs(d->packs) + 1, sizeof *s.waits);
        s.requests = requests_new();
        int rc = s.params && s.waits && s.requests ? watch_new(s.service, s.packs, &s.watch, e)
                                                   : err_oom(e);
        if (rc == 0) {
                serve(&s, d, &started, e);
                rc = started || daemon_stopping() ? 0 : -1;
                leave(&s);
        }
        close_database(&s);
        close_kafka(&s);
        watch_free(s.watch);
        type_numbers_free(s.types);
        db_params_free(s.params);
        requests_free(s.requests);
        free(s.waits);
        return rc;
}
