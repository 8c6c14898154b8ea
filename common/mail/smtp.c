/* SPDX-License-Identifier: Apache-2.0 */
/* The transport that sends mails to a relay, one thread for each connection. */
#include "mail/smtp.h"

#include "mail/smtp_connection.h"

#include "base/instant.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct smtp;

struct worker {
        struct smtp *smtp;
        struct smtp_connection *connection;
        pthread_t thread; /* while a batch is sent */
};

struct smtp {
        struct transport base;
        struct smtp_server server;
        struct worker *workers;
        size_t n_workers;
        /* the batch; the workers' threads share it */
        struct envelope *list;
        size_t n;
        atomic_size_t next; /* first message that no thread has taken */
        atomic_bool stop;
        atomic_size_t dead; /* connections in a row that came to nothing */
        sem_t finished;     /* posted by each thread at its end */
};

static struct smtp *self(struct transport *t)
{
        return (struct smtp *)t;
}

static void send_one(struct worker *w, struct envelope *m)
{
        struct smtp *s = w->smtp;
        size_t limit = s->n_workers + 2;
        if (s->dead >= limit)
                envelope_set(m, SEND_DEFERRED, 0,
                             "not tried: the relay took no connection %zu times in a row", limit);
        else if (smtp_connection_send(w->connection, m))
                s->dead = 0;
        else
                s->dead++;
}

static void *run_worker(void *ctx)
{
        struct worker *w = ctx;
        struct smtp *s = w->smtp;
        size_t i;
        while (!s->stop && (i = atomic_fetch_add(&s->next, 1)) < s->n)
                if (s->list[i].state == SEND_PENDING)
                        send_one(w, &s->list[i]);
        sem_post(&s->finished);
        return NULL;
}

/* Signals stay with the threads of the program. Returns how many were started. */
static size_t start_threads(struct smtp *s)
{
        size_t want = s->n < s->n_workers ? s->n : s->n_workers, started = 0;
        sigset_t all, old;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        while (started < want && pthread_create(&s->workers[started].thread, NULL, run_worker,
                                                &s->workers[started]) == 0)
                started++;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return started;
}

/* True: a thread has posted; false: it is `until`, monotonic ms. */
static bool wait_finished(struct smtp *s, int64_t until)
{
        struct timespec ts = { .tv_sec = (time_t)(until / 1000),
                               .tv_nsec = (long)(until % 1000) * 1000000 };
        return sem_clockwait(&s->finished, CLOCK_MONOTONIC, &ts) == 0;
}

static void smtp_send(struct transport *t, struct envelope *list, size_t n, int (*tick)(void *ctx),
                      void *ctx)
{
        struct smtp *s = self(t);
        s->list = list;
        s->n = n;
        s->next = 0;
        s->dead = 0;
        s->stop = false;
        size_t started = start_threads(s);
        int64_t due = monotonic_ms() + TICK_MS;
        for (size_t finished = 0; finished < started;) {
                if (wait_finished(s, due))
                        finished++;
                if (monotonic_ms() < due)
                        continue;
                due = monotonic_ms() + TICK_MS;
                if (tick && tick(ctx))
                        s->stop = true;
        }
        for (size_t i = 0; i < started; i++)
                pthread_join(s->workers[i].thread, NULL);
        for (size_t i = 0; started == 0 && i < n; i++)
                if (list[i].state == SEND_PENDING)
                        envelope_set(&list[i], SEND_DEFERRED, 0, "no thread could be started");
}

static int smtp_probe(struct transport *t, struct err *e)
{
        struct smtp_connection *l CLEANUP(smtp_connection_cleanup) = smtp_connection_new(
                &self(t)->server);
        return l ? smtp_connection_probe(l, e) : err_oom(e);
}

static void smtp_free(struct transport *t)
{
        struct smtp *s = self(t);
        for (size_t i = 0; i < s->n_workers; i++)
                smtp_connection_free(s->workers[i].connection);
        free(s->workers);
        smtp_server_deinit(&s->server);
        sem_destroy(&s->finished);
        free(s);
}

int transport_smtp(const struct smtp_options *o, struct transport **ret, struct err *e)
{
        static const struct transport_ops ops = { .free = smtp_free,
                                                  .send = smtp_send,
                                                  .probe = smtp_probe };
        struct smtp *s = calloc(1, sizeof *s);
        if (!s)
                return err_oom(e);
        s->base.ops = &ops;
        sem_init(&s->finished, 0, 0);
        struct transport *t CLEANUP(transport_cleanup) = &s->base;
        if (smtp_server_init(&s->server, o, e) < 0)
                return -1;
        s->workers = calloc((size_t)o->connections, sizeof *s->workers);
        if (!s->workers)
                return err_oom(e);
        while (s->n_workers < (size_t)o->connections) {
                struct worker *w = &s->workers[s->n_workers++];
                *w = (struct worker){ .smtp = s, .connection = smtp_connection_new(&s->server) };
                if (!w->connection)
                        return err_set(e, ERR_FATAL, "",
                                       "smtp: libcurl does not take the options, or memory is out");
        }
        *ret = TAKE(t);
        return 0;
}
