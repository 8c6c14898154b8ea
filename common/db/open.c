/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a connection: with TLS when a password goes over it, in a session whose settings are ours,
 * also through a pooler. */
#include "db/db.h"

#include "db/internal.h"

#include "base/redact.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 2000, PROCESSES_PROBED = 64 };

struct request {
        const char *conninfo, *application;
        int timeout_ms;
        const char *sslmode; /* NULL: as conninfo, the environment or libpq have it */
};

/* libpq's messages quote what they could not read of a conninfo, which may be a piece of a
 * password. */
static int refuse(const struct request *r, PGconn *conn, bool wrong, struct err *e)
{
        char text[sizeof e->text];
        const char *message = PQerrorMessage(conn);
        snprintf(text, sizeof text, "%.*s", (int)strcspn(message, "\n"), message);
        redact_message(r->conninfo, text);
        bool tls = r->sslmode && strstr(text, "SSL");
        return err_set(e, wrong ? ERR_FATAL : ERR_RETRY, "08001", "database%s: %s%s",
                       wrong ? ".conninfo" : "", text,
                       tls ? "; a password needs TLS: switch it on in the server, or write "
                             "sslmode=disable to send the password without"
                           : "");
}

static int connect_wait(struct db *d, const struct request *r, struct err *e)
{
        int64_t until = monotonic_ms() + r->timeout_ms;
        for (PostgresPollingStatusType s = PGRES_POLLING_WRITING;;) {
                int64_t left = until - monotonic_ms();
                int n = db_wait_socket(d, s == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                                       left < 0 ? 0 : (int)left, e);
                if (n < 0)
                        return -1;
                if (n == 0)
                        return err_set(e, ERR_RETRY, "08001",
                                       "database: no connection within %d ms", r->timeout_ms);
                s = PQconnectPoll(d->conn);
                if (s == PGRES_POLLING_OK)
                        return 0;
                if (s == PGRES_POLLING_FAILED)
                        return refuse(r, d->conn, false, e);
        }
}

/* Is `keyword` given in the conninfo itself? */
static bool conninfo_has(const char *conninfo, const char *keyword)
{
        PQconninfoOption *list = PQconninfoParse(conninfo, NULL);
        bool found = false;
        for (PQconninfoOption *o = list; o && o->keyword; o++)
                found = found || (strcmp(o->keyword, keyword) == 0 && o->val);
        PQconninfoFree(list);
        return found;
}

static bool in_environment(const char *name)
{
        const char *value = getenv(name);
        return value && *value;
}

/* What sslmode has to be when nobody has chosen one; NULL: no password will be sent. libpq ignores
 * it on a Unix socket. */
static const char *tls_for(const struct request *r, PGconn *conn)
{
        /* wherever it comes from: conninfo, PGPASSWORD, a passfile */
        const char *password = PQpass(conn);
        if (!password || !*password || conninfo_has(r->conninfo, "sslmode") ||
            in_environment("PGSSLMODE"))
                return NULL;
        return conninfo_has(r->conninfo, "sslrootcert") || in_environment("PGSSLROOTCERT")
                       ? "verify-full"
                       : "require";
}

static int start(struct db *d, struct request *r, struct err *e)
{
        /* A server that vanished is noticed within half a minute, not after the
         * kernel's hours; the conninfo may say otherwise. Nothing that a pooler would refuse: the
         * session's settings follow by SQL. */
        const char *keys[] = { "keepalives_idle",  "keepalives_interval", "keepalives_count",
                               "tcp_user_timeout", "application_name",    "sslmode",
                               "dbname",           "client_encoding",     NULL };
        const char *values[] = { "10",       "5",         "3",    "25000", r->application,
                                 r->sslmode, r->conninfo, "UTF8", NULL };
        d->conn = PQconnectStartParams(keys, values, 1);
        if (!d->conn)
                return err_oom(e);
        PQsetNoticeReceiver(d->conn, db_note_notice, d);
        if (!r->sslmode && (r->sslmode = tls_for(r, d->conn))) {
                PQfinish(TAKE(d->conn)); /* nothing has been sent */
                return start(d, r, e);
        }
        if (PQstatus(d->conn) != CONNECTION_BAD)
                return connect_wait(d, r, e);
        /* A Unix socket refuses at once, when the server is unavailable; only what libpq would not
         * even try is wrong for good. */
        return refuse(r, d->conn, PQpingParams(keys, values, 1) == PQPING_NO_ATTEMPT, e);
}

/* ---- the session ---- */

/* jit: to compile a plan takes longer than any statement of ours gains by it, and the high costs of
 * a plan that is not wanted would start it. */
static const struct {
        const char *name, *value;
} session[] = {
        { "TimeZone", "UTC" },
        { "DateStyle", "ISO, YMD" },
        { "IntervalStyle", "iso_8601" },
        { "client_encoding", "UTF8" },
        { "jit", "off" },
};

/* By SQL: a pooler refuses or ignores them among the startup parameters. `ret_pid`: the process
 * that serves us. */
static int set_session(struct db *d, int *ret_pid, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        BUF_CLEANUP struct buf sql = { .max = 1024 };
        buf_adds(&sql, "select pg_backend_pid()");
        for (size_t i = 0; i < ARRAY_LEN(session); i++)
                buf_addf(&sql, ", set_config('%s', '%s', false)", session[i].name,
                         session[i].value);
        if (sql.failed)
                return err_oom(e);
        if (db_query(d, buf_str(&sql), NULL, &r, e) < 0)
                return -1;
        *ret_pid = (int)db_int(r, 0, 0);
        for (size_t i = 0; i < ARRAY_LEN(session); i++)
                if (strcmp(db_str(r, 0, (int)i + 1), session[i].value) != 0)
                        return err_set(e, ERR_FATAL, "",
                                       "database: the session's %s is %s although it was set to %s",
                                       session[i].name, db_str(r, 0, (int)i + 1), session[i].value);
        return 0;
}

/* ---- poolers ---- */

static int process_of(struct db *d)
{
        struct err ignored = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        return db_query(d, "select pg_backend_pid()", NULL, &r, &ignored) < 0
                       ? 0
                       : (int)db_int(r, 0, 0);
}

/* The server process that answers `sql`. A call that a full pool keeps waiting says nothing: 0
 * after PROBE_MS. */
static int process_that_answers(struct db *d, const char *sql)
{
        struct err ignored = ERR_INIT;
        if (!PQsendQuery(d->conn, sql) || PQflush(d->conn) < 0)
                return 0;
        int pid = 0;
        for (int64_t until = monotonic_ms() + PROBE_MS;;) {
                while (!PQisBusy(d->conn)) {
                        PGresult *r = PQgetResult(d->conn);
                        if (!r)
                                return pid;
                        if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1)
                                pid = (int)strtol(PQgetvalue(r, 0, 0), NULL, 10);
                        PQclear(r);
                }
                int64_t left = until - monotonic_ms();
                if (left <= 0 || db_wait_socket(d, POLLIN, (int)left, &ignored) <= 0 ||
                    !PQconsumeInput(d->conn))
                        return 0;
        }
}

/*
 * Between us and the server stands a pooler. Does it keep one server process for us, as long as we
 * are connected? If not, a second connection meets our process, or, holding a transaction, has
 * driven us to another.
 */
static bool shares_processes(struct db *d, struct request *r, int pid)
{
        struct err ignored = ERR_INIT;
        struct db *other CLEANUP(db_cleanup) = calloc(1, sizeof *other);
        struct request probe = *r;
        if (!other || start(other, &probe, &ignored) < 0)
                return false;
        /* one that gives the idle ones in turn comes to ours after as many calls as it has */
        for (int i = 0; i < PROCESSES_PROBED; i++)
                if (process_that_answers(other, "select pg_backend_pid()") == pid)
                        return true;
        return process_that_answers(other, "begin; select pg_backend_pid()") == pid ||
               process_of(d) != pid;
}

static int check_pooler(struct db *d, struct request *r, int pid, struct err *e)
{
        if (PQbackendPID(d->conn) == pid || !shares_processes(d, r, pid))
                return 0;
        return err_set(e, ERR_FATAL, "",
                       "database: a connection pool stands in front of it that gives each "
                       "transaction another connection "
                       "(PgBouncer's pool_mode transaction or statement): prepared statements, "
                       "LISTEN and settings are lost there; use pool_mode = session, or connect to "
                       "PostgreSQL directly");
}

int db_open(const char *conninfo, const char *application, int timeout_ms, struct db **ret,
            struct err *e)
{
        struct request r = { conninfo, application, timeout_ms, NULL };
        struct db *d CLEANUP(db_cleanup) = calloc(1, sizeof *d);
        int pid = 0;
        if (!d)
                return err_oom(e);
        if (start(d, &r, e) < 0)
                return -1;
        if (PQsetnonblocking(d->conn, 1) != 0)
                return db_error(d->conn, NULL, e);
        if (set_session(d, &pid, e) < 0 || check_pooler(d, &r, pid, e) < 0)
                return -1;
        *ret = TAKE(d);
        return 0;
}
