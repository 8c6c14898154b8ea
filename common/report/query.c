/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a report's statement and stores its JSON in a file without a name, a row at a time. */
#include "report/report.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARAMS_MAX = 1024 * 1024 };

static const struct parameter *parameter(const struct report *r, const char *name)
{
        for (size_t i = 0; i < r->n_parameters; i++)
                if (strcmp(r->parameters[i].name, name) == 0)
                        return &r->parameters[i];
        return NULL;
}

/* Every declared parameter with its value: as given, or the default. */
static int complete(const struct report *r, const struct run_values *v, struct setting_value *list,
                    struct err *e)
{
        for (size_t i = 0; i < r->n_parameters; i++)
                list[i] = (struct setting_value){ r->parameters[i].name,
                                                  r->parameters[i].default_value };
        for (size_t i = 0; i < v->n_parameters; i++) {
                const struct parameter *d = parameter(r, v->parameters[i].name);
                if (!d)
                        return err_set(e, ERR_INPUT, "", "report %s has no parameter \"%s\"",
                                       r->name, v->parameters[i].name);
                if (v->parameters[i].value &&
                    parameter_check(d, span_of(v->parameters[i].value), e) < 0)
                        return -1;
                list[d - r->parameters].value = v->parameters[i].value;
        }
        return 0;
}

/* ---- the document, in pieces ---- */

struct spool {
        const struct report *report;
        int fd;
        size_t rows; /* of a statement of rows; pieces of a document */
};

static int spool_write(struct spool *s, const char *data, size_t len, struct err *e)
{
        return file_write(s->fd, data, len)
                       ? 0
                       : err_set(e, ERR_RETRY, "", "report %s: its document cannot be kept: %s",
                                 s->report->name, strerror(errno));
}

static int bad_document(const struct report *r, const char *found, struct err *e)
{
        return err_set(
                e, ERR_INPUT, "",
                "%s: a report's statement returns one row with one json value, this one returned "
                "%s",
                r->statement.path, found);
}

/* (is it of the first row, a piece of the document) */
static int take_piece(void *ctx, const struct db_result *r, struct err *e)
{
        struct spool *s = ctx;
        struct span first = db_span(r, 0, 0), piece = db_span(r, 0, 1);
        if (!first.len || !first.ptr[0])
                return bad_document(s->report, "more rows", e);
        s->rows++;
        return spool_write(s, piece.ptr, piece.len, e);
}

/* (a row as a JSON object) */
static int take_row(void *ctx, const struct db_result *r, struct err *e)
{
        struct spool *s = ctx;
        struct span row = db_span(r, 0, 0);
        return spool_write(s, s->rows++ ? "," : "[", 1, e) < 0
                       ? -1
                       : spool_write(s, row.ptr, row.len, e);
}

/* Up to the last word: without semicolons and comments after it, as the statement becomes a part
 * of ours. */
static size_t statement_length(const char *sql)
{
        const char *end = sql;
        for (const char *at = sql, *next; *at; at = next) {
                bool comment = (at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*');
                next = sql_skip(sql, at);
                if (!comment && !strchr(" \t\r\n;", *at))
                        end = next;
        }
        return (size_t)(end - sql);
}

/* The document crosses the connection in pieces of 64 KiB, rows one at a time: neither has to fit
 * into our memory. */
static int spool(struct db *d, const struct report *r, const char *sql, const struct db_params *p,
                 int fd, struct err *e)
{
        BUF_CLEANUP struct buf query = { .max = 2 * 1024 * 1024 };
        struct spool s = { r, fd, 0 };
        int len = (int)statement_length(sql);
        if (r->rows)
                buf_addf(&query,
                         "select row_to_json(rollcall_row)::text from (%.*s\n) as rollcall_row",
                         len, sql);
        else
                buf_addf(&query,
                         "select nth = 1, substring(document from place for 65536) from (select "
                         "row_number() over () as nth, "
                         "convert_to(value::text, 'UTF8') as document from (%.*s\n) as "
                         "rollcall_document(value) offset 0) as whole, "
                         "generate_series(1, length(document), 65536) as place",
                         len, sql);
        if (query.failed)
                return err_oom(e);
        if (db_each(d, buf_str(&query), p, r->rows ? take_row : take_piece, &s, e) < 0)
                return -1;
        if (r->rows)
                return spool_write(&s, s.rows ? "]" : "[]", s.rows ? 1 : 2, e);
        return s.rows ? 0 : bad_document(r, "no row, or NULL", e);
}

static int run(struct db *d, const struct report *r, const char *sql, const struct db_params *p,
               int fd, struct err *e)
{
        if (db_exec(d, "begin transaction isolation level repeatable read read only", e) < 0)
                return -1;
        int rc = pack_search_path(d, r->pack, true, e);
        if (rc == 0)
                rc = spool(d, r, sql, p, fd, e);
        if (rc < 0)
                err_prefix(e, "%s", r->statement.path);
        /* nothing was written; a connection that broke shows in db_alive */
        struct err ignored = ERR_INIT;
        if (db_exec(d, "rollback", rc < 0 ? &ignored : e) < 0)
                rc = -1;
        return rc;
}

int report_query(struct db *d, const struct report *r, const struct run_values *v, int fd,
                 struct err *e)
{
        struct bound_sql sql CLEANUP(bound_sql_deinit) = { 0 };
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct setting_value *list CLEANUP(cleanup_free) = calloc(r->n_parameters + 1,
                                                                  sizeof *list);
        if (!p || !list)
                return err_oom(e);
        if (complete(r, v, list, e) < 0 ||
            sql_bind(&r->statement, r->pack, r->parameters, r->n_parameters, 1, &sql, e) < 0)
                return -1;
        struct run_values all = *v;
        all.pack = r->pack;
        all.parameters = list;
        all.n_parameters = r->n_parameters;
        if (sql_add_values(&sql, &all, p, e) < 0)
                return err_prefix(e, "%s", r->statement.path);
        return run(d, r, sql.text, p, fd, e);
}
