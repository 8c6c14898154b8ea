/* SPDX-License-Identifier: Apache-2.0 */
/* rollcall-worker: tasks of the lanes in, effects in PostgreSQL and by mail, audit events out. */
#include "check.h"
#include "loop.h"

#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/deadline.h"
#include "daemon/reload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { WAKE_MS = 200 };

static const char help[] =
        "Takes tasks from the lanes of worker.lanes, does them in PostgreSQL and by mail, and\n"
        "publishes an audit event for each. Serving \"intake\", it takes what other services\n"
        "request, each through a topic of its own. To scale, start more workers: the partitions\n"
        "are shared out among all that run.";

struct worker {
        atomic_int ready, ended;
        int n;
        struct thread {
                pthread_t id;
                struct lane_worker_options options;
                struct worker *worker;
                struct err err;
                int rc;
        } *threads;
};

static void note_ready(void *ctx)
{
        struct worker *w = ctx;
        atomic_fetch_add(&w->ready, 1);
}

static void *run_thread(void *arg)
{
        struct thread *t = arg;
        t->rc = loop_run(&t->options, &t->err);
        atomic_fetch_add(&t->worker->ended, 1);
        return NULL;
}

static int start_threads(struct worker *w, const struct daemon *d)
{
        int64_t per_lane = d->service->worker.threads;
        w->threads = calloc((size_t)(SERVED_COUNT * per_lane), sizeof *w->threads);
        if (!w->threads)
                return -1;
        for (int lane = 0; lane < SERVED_COUNT; lane++)
                for (int i = 1;
                     d->service->worker.lanes[lane] && i <= (lane == LANE_INTAKE ? 1 : per_lane);
                     i++) {
                        struct thread *t = &w->threads[w->n];
                        t->worker = w;
                        t->options = (struct lane_worker_options){ d->service,      d->packs,
                                                                   (enum lane)lane, i,
                                                                   note_ready,      w };
                        if (pthread_create(&t->id, NULL, run_thread, t) != 0)
                                return -1;
                        w->n++;
                }
        return 0;
}

/* A thread that cannot start at all ends the worker: half a worker would look like a whole one. */
static int join_threads(struct worker *w)
{
        int rc = 0;
        for (int i = 0; i < w->n; i++) {
                struct thread *t = &w->threads[i];
                pthread_join(t->id, NULL);
                if (t->rc == 0)
                        continue;
                log_error("cannot start", "lane=%s error=" LOG_Q, lane_name(t->options.lane),
                          t->err.text);
                rc = 1;
        }
        return rc;
}

int main(int argc, char **argv)
{
        struct daemon d;
        struct worker w = { 0 };
        int rc = daemon_start(&d, "rollcall-worker", help, argc, argv);
        if (rc >= 0)
                return rc;
        struct err e = ERR_INIT;
        if (d.check_statements) {
                rc = worker_check(d.service, d.packs, &e);
                if (rc < 0)
                        fprintf(stderr, "%s\n", e.text);
                else
                        printf("%s: valid, and all statements can be prepared\n", d.service->file);
                daemon_deinit(&d);
                return rc < 0 ? 1 : 0;
        }
        d.prepares = true;
        if (daemon_leave_within(&d, d.service->worker.drain_timeout_ms, &e) < 0) {
                log_error("cannot start", "error=" LOG_Q, e.text);
                return 1;
        }
        if (start_threads(&w, &d) < 0) {
                log_error("cannot start", "error=\"out of memory or threads\"");
                return 1;
        }
        bool announced = false;
        while (!daemon_stopping() && atomic_load(&w.ended) == 0) {
                if (!announced && atomic_load(&w.ready) == w.n) {
                        daemon_ready(&d);
                        announced = true;
                }
                daemon_serve(&d);
                daemon_sleep(WAKE_MS);
        }
        if (!daemon_stopping())
                daemon_stop();
        rc = join_threads(&w);
        free(w.threads);
        if (rc == 0)
                daemon_finish(&d);
        daemon_deinit(&d);
        return rc;
}
