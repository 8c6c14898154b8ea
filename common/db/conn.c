/* SPDX-License-Identifier: Apache-2.0 */
/* Queries, pipelines and waiting on one connection. */
#include "db/db.h"

#include "db/internal.h"

#include "base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        TICK_MS = 200,
        CANCEL_MS = 2000,
        CANCEL_AGAIN_MS = 500,
        CANCEL_STACK_BYTES = 256 * 1024,
        FORMAT_TEXT = 0,
        FORMAT_BINARY = 1
};

static int lost(struct db *d, struct err *e)
{
        return db_error(d->conn, NULL, e);
}

/* A statement that this program has cancelled must not be taken for one that ran out of its own
 * time. */
static int failed(struct db *d, const PGresult *r, struct err *e)
{
        struct err why = ERR_INIT;
        db_error(d->conn, r, &why);
        bool own = d->cancelled_ms && strcmp(why.code, "57014") == 0;
        return err_set(e, why.class, own ? "57P01" : why.code, "%s", why.text);
}

int db_wait_socket(struct db *d, short events, int timeout_ms, struct err *e)
{
        int64_t until = timeout_ms < 0 ? INT64_MAX : monotonic_ms() + timeout_ms;
        for (;;) {
                int64_t left = until - monotonic_ms();
                if (left < 0)
                        left = 0;
                struct pollfd fd = { .fd = PQsocket(d->conn), .events = events };
                int n = fd.fd < 0 ? -1 : poll(&fd, 1, left < TICK_MS ? (int)left : TICK_MS);
                if (n > 0)
                        return 1;
                if (n < 0 && (fd.fd < 0 || errno != EINTR))
                        return lost(d, e);
                if (d->tick)
                        d->tick(d->tick_ctx);
                if (d->cancelled_ms && monotonic_ms() - d->cancelled_ms > CANCEL_MS)
                        return err_set(
                                e, ERR_RETRY, "57P01",
                                "the statement was cancelled, and the server does not answer");
                if (monotonic_ms() >= until)
                        return 0;
        }
}

/* Statements may raise one for each row: they are counted. */
void db_note_notice(void *ctx, const PGresult *r)
{
        struct db *d = ctx;
        const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
        if (d->notices++ > 0)
                return;
        snprintf(d->notice, sizeof d->notice, "%s", text ? text : "");
        utf8_clean(d->notice);
}

size_t db_notices(struct db *d, const char **ret_first)
{
        size_t n = d->notices;
        d->notices = 0;
        *ret_first = n ? d->notice : "";
        return n;
}

void db_free(struct db *d)
{
        if (!d)
                return;
        PQfinish(d->conn);
        for (size_t i = 0; i < d->n_prepared; i++)
                free(d->prepared[i]);
        free(d);
}

bool db_alive(const struct db *d)
{
        return d && !d->cancelled_ms && PQstatus(d->conn) == CONNECTION_OK;
}

int db_server_version(const struct db *d)
{
        return PQserverVersion(d->conn);
}

void db_set_tick(struct db *d, void (*tick)(void *ctx), void *ctx)
{
        d->tick = tick;
        d->tick_ctx = ctx;
}

/* PQcancel connects, and waits: on a thread of its own, which keeps nobody when the server is
 * frozen. */
static void *cancel(void *arg)
{
        char ignored[256];
        PGcancel *c = arg;
        (void)!PQcancel(c, ignored, sizeof ignored);
        PQfreeCancel(c);
        return NULL;
}

static void start_cancel(PGcancel *c)
{
        pthread_attr_t attributes;
        pthread_t thread;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, CANCEL_STACK_BYTES);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &attributes, cancel, c) != 0)
                PQfreeCancel(c);
        pthread_attr_destroy(&attributes);
}

void db_cancel(struct db *d)
{
        int64_t now = monotonic_ms();
        /* again: one that comes between two statements ends neither */
        if (d->cancelled_ms && now - d->cancel_ms < CANCEL_AGAIN_MS)
                return;
        d->cancelled_ms = d->cancelled_ms ? d->cancelled_ms : now;
        d->cancel_ms = now;
        PGcancel *c = PQgetCancel(d->conn);
        if (c)
                start_cancel(c);
}

/* Sends what is queued; reads meanwhile, so that a server that waits for us to read cannot lock us
 * up. */
static int flush(struct db *d, struct err *e)
{
        for (;;) {
                int n = PQflush(d->conn);
                if (n == 0)
                        return 0;
                if (n < 0 || db_wait_socket(d, POLLIN | POLLOUT, -1, e) < 0 ||
                    !PQconsumeInput(d->conn))
                        return lost(d, e);
        }
}

static int next_result(struct db *d, PGresult **ret, struct err *e)
{
        while (PQisBusy(d->conn)) {
                if (db_wait_socket(d, POLLIN, -1, e) < 0)
                        return -1;
                if (!PQconsumeInput(d->conn))
                        return lost(d, e);
        }
        *ret = PQgetResult(d->conn);
        return 0;
}

static bool good(const PGresult *r)
{
        ExecStatusType s = PQresultStatus(r);
        return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

/* Takes all results of what was sent; the first error or else the last result counts. */
static int finish(struct db *d, struct db_result **ret, struct err *e)
{
        PGresult *kept = NULL;
        int rc = flush(d, e);
        for (PGresult *r = NULL; rc == 0;) {
                rc = next_result(d, &r, e);
                if (rc < 0 || !r)
                        break;
                if (kept && !good(kept)) {
                        PQclear(r);
                        continue;
                }
                PQclear(kept);
                kept = r;
        }
        if (rc == 0 && !kept)
                rc = lost(d, e);
        if (rc == 0 && !good(kept))
                rc = failed(d, kept, e);
        if (rc < 0 || !ret)
                PQclear(kept);
        else
                *ret = (struct db_result *)kept;
        return rc;
}

int db_exec(struct db *d, const char *sql, struct err *e)
{
        if (!PQsendQuery(d->conn, sql))
                return lost(d, e);
        return finish(d, NULL, e);
}

static int send_query(struct db *d, const char *sql, const struct db_params *p, int format,
                      struct err *e)
{
        struct db_params *q = (struct db_params *)p;
        if (q && params_bind(q, e) < 0)
                return -1;
        if (!PQsendQueryParams(d->conn, sql, q ? (int)q->n : 0, q ? q->types : NULL,
                               q ? q->values : NULL, q ? q->lengths : NULL, q ? q->formats : NULL,
                               format))
                return lost(d, e);
        return 0;
}

static int send_prepared(struct db *d, const char *name, const struct db_params *p, struct err *e)
{
        struct db_params *q = (struct db_params *)p;
        if (q && params_bind(q, e) < 0)
                return -1;
        if (!PQsendQueryPrepared(d->conn, name, q ? (int)q->n : 0, q ? q->values : NULL,
                                 q ? q->lengths : NULL, q ? q->formats : NULL, 0))
                return lost(d, e);
        return 0;
}

int db_query(struct db *d, const char *sql, const struct db_params *p, struct db_result **ret,
             struct err *e)
{
        return send_query(d, sql, p, FORMAT_TEXT, e) < 0 ? -1 : finish(d, ret, e);
}

int db_query_binary(struct db *d, const char *sql, const struct db_params *p,
                    struct db_result **ret, struct err *e)
{
        return send_query(d, sql, p, FORMAT_BINARY, e) < 0 ? -1 : finish(d, ret, e);
}

int db_each(struct db *d, const char *sql, const struct db_params *p,
            int (*row)(void *ctx, const struct db_result *r, struct err *e), void *ctx,
            struct err *e)
{
        if (send_query(d, sql, p, FORMAT_BINARY, e) < 0)
                return -1;
        if (!PQsetSingleRowMode(d->conn))
                return lost(d, e);
        int rc = flush(d, e);
        for (PGresult *r = NULL; rc == 0;) {
                rc = next_result(d, &r, e);
                if (rc < 0 || !r)
                        return rc;
                if (PQresultStatus(r) == PGRES_SINGLE_TUPLE)
                        rc = row(ctx, (const struct db_result *)r, e);
                else if (!good(r))
                        rc = failed(d, r, e);
                PQclear(r);
        }
        struct err ignored = ERR_INIT; /* the first error is the one that is reported */
        char text[256];
        PGcancel *c = PQgetCancel(d->conn); /* not db_cancel: the connection is to serve on */
        if (c)
                (void)!PQcancel(c, text, sizeof text);
        PQfreeCancel(c);
        for (PGresult *r = NULL; next_result(d, &r, &ignored) == 0 && r;)
                PQclear(r);
        return -1;
}

bool db_prepared(const struct db *d, const char *name)
{
        for (size_t i = 0; i < d->n_prepared; i++)
                if (strcmp(d->prepared[i], name) == 0)
                        return true;
        return false;
}

int db_prepare(struct db *d, const char *name, const char *sql, struct err *e)
{
        if (db_prepared(d, name))
                return 0;
        if (d->n_prepared == PREPARED_MAX)
                return err_set(e, ERR_FATAL, "",
                               "more than %d prepared statements on one connection", PREPARED_MAX);
        if (!PQsendPrepare(d->conn, name, sql, 0, NULL))
                return lost(d, e);
        if (finish(d, NULL, e) < 0)
                return -1;
        char *copy = strdup(name);
        if (!copy)
                return err_oom(e);
        d->prepared[d->n_prepared++] = copy;
        return 0;
}

int db_run(struct db *d, const char *name, const struct db_params *p, struct db_result **ret,
           struct err *e)
{
        return send_prepared(d, name, p, e) < 0 ? -1 : finish(d, ret, e);
}

int db_describe(struct db *d, const char *name, struct db_result **ret, struct err *e)
{
        if (!PQsendDescribePrepared(d->conn, name))
                return lost(d, e);
        return finish(d, ret, e);
}

int db_pipeline_begin(struct db *d, struct err *e)
{
        return PQenterPipelineMode(d->conn) ? 0 : lost(d, e);
}

int db_pipeline_query(struct db *d, const char *sql, const struct db_params *p, struct err *e)
{
        return send_query(d, sql, p, FORMAT_TEXT, e);
}

int db_pipeline_run(struct db *d, const char *name, const struct db_params *p, struct err *e)
{
        return send_prepared(d, name, p, e);
}

int db_pipeline_sync(struct db *d, struct err *e)
{
        return PQpipelineSync(d->conn) ? flush(d, e) : lost(d, e);
}

int db_pipeline_result(struct db *d, struct db_result **ret, struct err *e)
{
        PGresult *r = NULL, *end = NULL;
        if (next_result(d, &r, e) < 0)
                return -1;
        if (!r)
                return lost(d, e);
        if (next_result(d, &end, e) < 0) { /* each statement's results end in a NULL */
                PQclear(r);
                return -1;
        }
        PQclear(end);
        int rc = good(r) ? 0 : failed(d, r, e);
        if (rc < 0 || !ret)
                PQclear(r);
        else
                *ret = (struct db_result *)r;
        return rc;
}

int db_pipeline_finish_sync(struct db *d, struct err *e)
{
        PGresult *r = NULL;
        if (next_result(d, &r, e) < 0)
                return -1;
        bool sync = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        PQclear(r);
        return sync ? 0 : lost(d, e);
}

int db_pipeline_end(struct db *d, struct err *e)
{
        return PQexitPipelineMode(d->conn) ? 0 : lost(d, e);
}

void db_on_notify(struct db *d, void (*notified)(void *ctx, const char *channel), void *ctx)
{
        d->notified = notified;
        d->notified_ctx = ctx;
}

int db_wait_notify(struct db *d, int timeout_ms, struct err *e)
{
        int64_t until = monotonic_ms() + timeout_ms;
        for (;;) {
                if (!PQconsumeInput(d->conn))
                        return lost(d, e);
                int got = 0;
                for (PGnotify *n; (n = PQnotifies(d->conn)); PQfreemem(n)) {
                        got = 1;
                        if (d->notified)
                                d->notified(d->notified_ctx, n->relname);
                }
                int64_t left = until - monotonic_ms();
                if (got || left <= 0)
                        return got;
                int ready = db_wait_socket(d, POLLIN, (int)left, e);
                if (ready <= 0)
                        return ready;
        }
}
