/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The adapter around libpq: the only place that includes it. A connection belongs to one thread.
 * Errors carry the SQLSTATE as code and are classed by it, never by text: 08, 57P0x, 53, 40, 55P03
 * and a broken connection -> ERR_RETRY; 22, 23, 54, P0 and other data errors -> ERR_INPUT;
 * everything else (syntax, missing table, privileges) -> ERR_FATAL. The class is for Rollcall's own
 * statements: whether the same call may succeed later. Whoever runs a statement of a pack asks
 * db_server_state instead.
 */
#include "db/columns.h"
#include "db/params.h"

/* Raised by rollcall.bounded_result: the statement's result is larger than its caller can take. */
#define DB_RESULT_TOO_LARGE "RC001"

struct db;
struct db_result;

/* Connects, within `timeout_ms`. `conninfo` as libpq takes it; `application` shows in
 * pg_stat_activity. */
int db_open(const char *conninfo, const char *application, int timeout_ms, struct db **ret,
            struct err *e) MUST_CHECK;
void db_free(struct db *d);
DEFINE_CLEANUP(db_cleanup, struct db, db_free)
bool db_alive(const struct db *d); /* false once the connection broke: free it and open another */
int db_server_version(const struct db *d); /* 150018 */

/* Is the error of a statement the server's own state (SQLSTATE 08, 53, 57P, 40, 25006, a lost
 * connection), which is waited for? Every other one, listed anywhere or not, is the fault of the
 * query. */
bool db_server_state(const struct err *e);

/* How many notices and warnings the server has sent since the last call, and the first of them:
 * valid until the next statement. */
size_t db_notices(struct db *d, const char **ret_first);

/* Called every 200 ms or so while a call waits for the server: heartbeats. NULL: none. */
void db_set_tick(struct db *d, void (*tick)(void *ctx), void *ctx);
/* For a tick, as often as it likes: asks the server to end the statement that is waited for, and
 * gives it up when that does not help within two seconds. Never blocks. The statement fails with
 * 57P01: it is not its fault. The connection is not to be used any more. */
void db_cancel(struct db *d);

/* ---- queries ---- */

/* One or several statements without parameters; results are discarded. Not in a pipeline. */
int db_exec(struct db *d, const char *sql, struct err *e) MUST_CHECK;
/* One statement with parameters (`p` may be NULL); `ret` may be NULL. Results are in text form. */
int db_query(struct db *d, const char *sql, const struct db_params *p, struct db_result **ret,
             struct err *e) MUST_CHECK;
/* The same with its results in binary form, which only db_null and db_texts read. */
int db_query_binary(struct db *d, const char *sql, const struct db_params *p,
                    struct db_result **ret, struct err *e) MUST_CHECK;
/* One statement, its rows in binary form, handed to `row` one at a time as they arrive: memory for
 * one. `row` returns -1 with its error to stop; the statement is cancelled then. */
int db_each(struct db *d, const char *sql, const struct db_params *p,
            int (*row)(void *ctx, const struct db_result *r, struct err *e), void *ctx,
            struct err *e) MUST_CHECK;
/* Prepares once per connection and name; a second call with the same name does nothing. */
int db_prepare(struct db *d, const char *name, const char *sql, struct err *e) MUST_CHECK;
bool db_prepared(const struct db *d, const char *name);
int db_run(struct db *d, const char *name, const struct db_params *p, struct db_result **ret,
           struct err *e) MUST_CHECK;

/* Pipeline mode: queue, then collect the results in order. After an error the rest up to the sync
 * fails with ERR_RETRY "pipeline aborted". Between begin and end only these and db_prepared() may
 * be used. */
int db_pipeline_begin(struct db *d, struct err *e) MUST_CHECK;
int db_pipeline_query(struct db *d, const char *sql, const struct db_params *p, struct err *e)
        MUST_CHECK;
int db_pipeline_run(struct db *d, const char *name, const struct db_params *p, struct err *e)
        MUST_CHECK;
/* ends a section and sends all that is queued */
int db_pipeline_sync(struct db *d, struct err *e) MUST_CHECK;
/* the next statement's; `ret` may be NULL */
int db_pipeline_result(struct db *d, struct db_result **ret, struct err *e) MUST_CHECK;
/* takes the sync's own answer */
int db_pipeline_finish_sync(struct db *d, struct err *e) MUST_CHECK;
int db_pipeline_end(struct db *d, struct err *e) MUST_CHECK;

/* ---- results ---- */

void db_result_free(struct db_result *r);
DEFINE_CLEANUP(db_result_cleanup, struct db_result, db_result_free)
size_t db_result_bytes(const struct db_result *r); /* the memory that it takes */
int db_rows(const struct db_result *r);
int db_columns(const struct db_result *r);
const char *db_column_name(const struct db_result *r, int col);
int db_column(const struct db_result *r, const char *name); /* its number, or -1 */
/* the first name that two columns have; NULL: none */
const char *db_column_doubled(const struct db_result *r);
int64_t db_affected(const struct db_result *r);
bool db_null(const struct db_result *r, int row, int col);
/* ptr NULL for NULL; lives as long as the result; NUL-terminated */
struct span db_span(const struct db_result *r, int row, int col);
const char *db_str(const struct db_result *r, int row, int col); /* "" for NULL */
int64_t db_int(const struct db_result *r, int row, int col);     /* 0 for NULL */
bool db_bool(const struct db_result *r, int row, int col);
/* INSTANT_NONE for NULL; sessions run with TimeZone=UTC, DateStyle=ISO */
instant db_instant(const struct db_result *r, int row, int col);
struct uuid db_uuid(const struct db_result *r, int row, int col); /* nil for NULL */

/* A text[] of a binary result, element by element: a row per element would cost the server and us
 * several times as much. */
struct db_texts {
        const char *at;
        size_t len, n; /* bytes and elements that are left */
};
struct db_texts db_texts(const struct db_result *r, int row, int col); /* none for NULL */
/* The next element, living as long as the result, not NUL-terminated; ptr NULL for NULL. False when
 * there is no more. */
bool db_texts_next(struct db_texts *t, struct span *ret);

/* A prepared statement's result columns, without running it: for checks. */
int db_describe(struct db *d, const char *name, struct db_result **ret, struct err *e) MUST_CHECK;
/* "int8", "text", … for the common types, else "another type" */
const char *db_column_type(const struct db_result *r, int col);

/* ---- notifications ---- */

/* Waits up to timeout_ms for a NOTIFY on a channel that this session LISTENs to. 1 got one (all
 * pending are taken), 0 none, -1 error. */
int db_wait_notify(struct db *d, int timeout_ms, struct err *e) MUST_CHECK;
/* Called by db_wait_notify for each notification that it takes. NULL: none. */
void db_on_notify(struct db *d, void (*notified)(void *ctx, const char *channel), void *ctx);
