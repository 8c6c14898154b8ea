/* SPDX-License-Identifier: Apache-2.0 */
/* Finds problems, remembers in rollcall.alert which are reported, and sends the alerts in a
 * thread of its own. */
#include "alert/watch.h"

#include "alert/alert.h"
#include "base/log.h"
#include "kafka/kafka.h"
#include "pack/pack.h"
#include "alert_statements.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        CHECK_MS = 5000,
        WATERMARK_MS = 500,
        PARAMS_MAX = 256 * 1024,
        TEXT_MAX = 64 * 1024,
        STACK_BYTES = 512 * 1024
};

struct watch {
        const struct service *service;
        const struct packs *packs;
        int64_t check_ms; /* when to check again */
        struct db_params *params;
        struct buf what, detail; /* the problems of this check, each ended by a NUL */
        size_t n;
        /* a message that is being sent */
        pthread_t thread;
        bool sending;
        atomic_bool sent;
        bool failed; /* read after the join */
        char subject[200];
        struct buf text;
};

int watch_new(const struct service *s, const struct packs *packs, struct watch **ret, struct err *e)
{
        struct watch *w CLEANUP(watch_cleanup) = calloc(1, sizeof *w);
        if (!w)
                return err_oom(e);
        w->service = s;
        w->packs = packs;
        w->params = db_params_new(PARAMS_MAX);
        if (!w->params)
                return err_oom(e);
        buf_init(&w->what, TEXT_MAX);
        buf_init(&w->detail, TEXT_MAX);
        buf_init(&w->text, TEXT_MAX);
        *ret = TAKE(w);
        return 0;
}

void watch_free(struct watch *w)
{
        if (!w)
                return;
        if (w->sending)
                pthread_join(w->thread, NULL);
        db_params_free(w->params);
        buf_deinit(&w->what);
        buf_deinit(&w->detail);
        buf_deinit(&w->text);
        free(w);
}

/* ---- sending, in a thread: a relay that does not answer delays nobody ---- */

static void *send_text(void *arg)
{
        struct watch *w = arg;
        struct err e = ERR_INIT;
        w->failed = alert_send(w->service, w->subject, buf_str(&w->text), &e) < 0;
        if (w->failed)
                log_error("alert could not be sent, will retry", "subject=" LOG_Q " error=" LOG_Q,
                          w->subject, e.text);
        else
                log_info("alert sent", "subject=" LOG_Q, w->subject);
        atomic_store(&w->sent, true);
        return NULL;
}

static int start_sending(struct watch *w, struct err *e)
{
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK_BYTES);
        atomic_store(&w->sent, false);
        int rc = pthread_create(&w->thread, &attr, send_text, w);
        pthread_attr_destroy(&attr);
        if (rc != 0)
                return err_set(e, ERR_RETRY, "", "no thread for an alert: %s", strerror(rc));
        w->sending = true;
        return 0;
}

/* `ret_busy`: a message is still being sent. After one that failed all problems are due again. */
static int collect_sent(struct watch *w, struct db *d, bool *ret_busy, struct err *e)
{
        *ret_busy = w->sending && !atomic_load(&w->sent);
        if (!w->sending || *ret_busy)
                return 0;
        pthread_join(w->thread, NULL);
        w->sending = false;
        return w->failed ? db_exec(d, "update rollcall.alert set told_at = null", e) : 0;
}

/* ---- what there is now ---- */

static void add_problem(struct watch *w, const char *what, const char *detail)
{
        buf_add(&w->what, what, strlen(what) + 1);
        buf_add(&w->detail, detail, strlen(detail) + 1);
        w->n++;
}

static int find_in_database(struct watch *w, struct db *d, bool *ret_leaderless, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(w->params);
        db_add_int8(w->params, w->service->scheduler.stuck_after_ms);
        if (db_query(d, "select what, detail from rollcall.troubles($1 * interval '1 ms') limit 50",
                     w->params, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                add_problem(w, db_str(r, i, 0), db_str(r, i, 1));
                *ret_leaderless = *ret_leaderless || strcmp(db_str(r, i, 0), "no scheduler") == 0;
        }
        return 0;
}

/* Messages of a topic that are not consumed yet; -1: the brokers do not answer. */
static int64_t count_waiting(struct kafka_producer *client, const char *topic,
                             const struct db_result *positions)
{
        struct err ignored = ERR_INIT;
        int n = kafka_partition_count(client, topic, WATERMARK_MS, &ignored);
        if (n <= 0)
                return -1;
        int64_t *low CLEANUP(cleanup_free) = calloc((size_t)n * 2, sizeof *low), sum = 0;
        if (!low ||
            kafka_topic_watermarks(client, topic, n, low, low + n, WATERMARK_MS, &ignored) < 0)
                return -1;
        for (int part = 0; part < n; part++) {
                int64_t next = low[part];
                for (int row = 0; row < db_rows(positions); row++)
                        if (strcmp(db_str(positions, row, 1), topic) == 0 &&
                            db_int(positions, row, 2) == part && db_int(positions, row, 3) > next)
                                next = db_int(positions, row, 3);
                sum += low[n + part] > next ? low[n + part] - next : 0;
        }
        return sum;
}

static int find_lanes(struct watch *w, struct db *d, struct kafka_producer *client,
                      const char *cluster, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        /* the lane of the last one added: the services' topics are one lane */
        const char *reported = "";
        db_params_reset(w->params);
        for (int column = 0; column < 2; column++) {
                db_array_begin(w->params, DB_TEXT, w->service->n_sources);
                for (size_t i = 0; i < w->service->n_sources; i++)
                        db_element_text(w->params,
                                        span_of(column ? w->service->sources[i]
                                                       : lane_name(i < LANE_COUNT ? (enum lane)i
                                                                                  : LANE_INTAKE)));
                db_array_end(w->params);
        }
        db_add_str(w->params, cluster);
        if (db_query(d, sql_unserved_lanes, w->params, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                char what[80], detail[400];
                enum lane lane;
                /* another partition */
                bool again = i > 0 && strcmp(db_str(r, i, 1), db_str(r, i - 1, 1)) == 0;
                /* run events alone are no work */
                bool idle = lane_parse(db_str(r, i, 0), &lane) && !packs_use_lane(w->packs, lane);
                if (again || idle || strcmp(reported, db_str(r, i, 0)) == 0)
                        continue;
                int64_t n = count_waiting(client, db_str(r, i, 1), r);
                if (n <= 0)
                        continue;
                snprintf(what, sizeof what, "no worker: %s", db_str(r, i, 0));
                snprintf(detail, sizeof detail,
                         "no worker serves the lane \"%s\", and %lld messages wait in %s; start "
                         "rollcall-worker",
                         db_str(r, i, 0), (long long)n, db_str(r, i, 1));
                add_problem(w, what, detail);
                reported = db_str(r, i, 0);
        }
        return 0;
}

/* ---- what was found before, and what is due to be sent ---- */

static void add_list(struct watch *w, const struct buf *list)
{
        const char *at = list->len ? buf_str(list) : "";
        db_array_begin(w->params, DB_TEXT, w->n);
        for (size_t i = 0; i < w->n; i++, at += strlen(at) + 1)
                db_element_text(w->params, span_of(at));
        db_array_end(w->params);
}

static int store_found(struct watch *w, struct db *d, struct err *e)
{
        db_params_reset(w->params);
        add_list(w, &w->what);
        add_list(w, &w->detail);
        return db_query(d, sql_alert_found, w->params, NULL, e);
}

/* `lanes`: they were checked, so that a problem of a lane that was not found has ended. */
static int remove_ended(struct watch *w, struct db *d, bool lanes, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(w->params);
        add_list(w, &w->what);
        db_add_bool(w->params, lanes);
        db_add_int8(w->params, w->service->alert.after_ms);
        if (db_query(d, sql_alert_ended, w->params, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                if (!db_bool(r, i, 2))
                        continue;
                log_info("problem has ended", "what=" LOG_Q, db_str(r, i, 0));
                if (!w->text.len)
                        snprintf(w->subject, sizeof w->subject, "[%s] over: %s",
                                 w->service->kafka.prefix, db_str(r, i, 0));
                buf_addf(&w->text, "Over: %s (%s)\n", db_str(r, i, 0), db_str(r, i, 1));
        }
        return 0;
}

static int take_due(struct watch *w, struct db *d, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(w->params);
        db_add_int8(w->params, w->service->alert.after_ms);
        if (db_query(d, sql_alert_due, w->params, &r, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(r); i++) {
                if (i == 0)
                        snprintf(w->subject, sizeof w->subject, "[%s] %s", w->service->kafka.prefix,
                                 db_str(r, i, 0));
                log_error("problem", "what=" LOG_Q " since=%s detail=" LOG_Q, db_str(r, i, 0),
                          db_str(r, i, 2), db_str(r, i, 1));
                buf_addf(&w->text, "Since %s: %s\n", db_str(r, i, 2), db_str(r, i, 1));
        }
        return 0;
}

int watch_check(struct watch *w, struct db *d, struct kafka_producer *client, const char *cluster,
                struct err *e)
{
        bool busy = false, leaderless = false;
        if (monotonic_ms() < w->check_ms)
                return 0;
        w->check_ms = monotonic_ms() + (w->service->alert.after_ms < CHECK_MS
                                                ? w->service->alert.after_ms
                                                : CHECK_MS);
        if (collect_sent(w, d, &busy, e) < 0)
                return -1;
        buf_reset(&w->what);
        buf_reset(&w->detail);
        w->n = 0;
        if (busy || find_in_database(w, d, &leaderless, e) < 0)
                return busy ? 0 : -1;
        if (!w->packs && !leaderless)
                return 0;
        bool lanes = w->packs && client && cluster;
        if (lanes && find_lanes(w, d, client, cluster, e) < 0)
                return -1;
        if (w->packs &&
            db_exec(d,
                    "delete from rollcall.process where seen_at < clock_timestamp() - interval '1 "
                    "day'",
                    e) < 0)
                return -1;
        if (w->what.failed || w->detail.failed)
                return err_oom(e);
        buf_reset(&w->text);
        if (store_found(w, d, e) < 0 || remove_ended(w, d, lanes, e) < 0 || take_due(w, d, e) < 0)
                return -1;
        if (!w->text.len)
                return 0;
        if (!alert_configured(w->service)) {
                log_warn("alert not sent: alert.to and alert.webhook_file are not configured",
                         "subject=" LOG_Q, w->subject);
                return 0;
        }
        return start_sending(w, e);
}
