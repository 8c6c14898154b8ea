#include "report/report.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMS_MAX = 1024 * 1024 };

static const struct declared *parameter(const struct report *r, const char *name)
{
        for (size_t i = 0; i < r->n_parameters; i++)
                if (strcmp(r->parameters[i].name, name) == 0)
                        return &r->parameters[i];
        return NULL;
}

/* Every declared parameter with its value: as given, or the default. */
static int complete(const struct report *r, const struct run_values *v, struct setting_value *list, struct err *e)
{
        for (size_t i = 0; i < r->n_parameters; i++)
                list[i] = (struct setting_value){ r->parameters[i].name, r->parameters[i].fallback };
        for (size_t i = 0; i < v->n_parameters; i++) {
                const struct declared *d = parameter(r, v->parameters[i].name);
                if (!d)
                        return err_set(e, ERR_POISON, "", "report %s has no parameter \"%s\"", r->name, v->parameters[i].name);
                if (v->parameters[i].value && declared_check(d, span_of(v->parameters[i].value), e) < 0)
                        return -1;
                list[d - r->parameters].value = v->parameters[i].value;
        }
        return 0;
}

static int take_document(const struct report *r, const struct db_result *rows, struct buf *json, struct err *e)
{
        if (db_rows(rows) != 1 || db_columns(rows) != 1 || db_null(rows, 0, 0))
                return err_set(e, ERR_FATAL, "", "%s: a report's statement returns one row with one json value, this one returned %d rows of %d columns%s",
                               r->statement.path, db_rows(rows), db_columns(rows), db_rows(rows) == 1 ? ", the value being NULL" : "");
        buf_add_span(json, db_span(rows, 0, 0));
        if (json->failed)
                return json->starved ? err_oom(e) : err_set(e, ERR_POISON, "", "report %s is larger than %zu bytes", r->name, json->max);
        return 0;
}

static int run(struct db *d, const struct report *r, const char *sql, const struct db_params *p, struct buf *json, struct err *e)
{
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        if (db_exec(d, "begin transaction isolation level repeatable read read only", e) < 0)
                return -1;
        int rc = pack_search_path(d, r->pack, true, e);
        if (rc == 0)
                rc = db_query(d, sql, p, &rows, e);
        if (rc < 0)
                err_prefix(e, "%s", r->statement.path);
        else
                rc = take_document(r, rows, json, e);
        struct err ignored = ERR_INIT; /* nothing was written; a connection that broke shows in db_alive */
        if (db_exec(d, "rollback", rc < 0 ? &ignored : e) < 0)
                rc = -1;
        return rc;
}

int report_query(struct db *d, const struct report *r, const struct run_values *v, struct buf *json, struct err *e)
{
        struct bound_sql sql CLEANUP(bound_sql_deinit) = { 0 };
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct setting_value *list CLEANUP(cleanup_free) = calloc(r->n_parameters + 1, sizeof *list);
        if (!p || !list)
                return err_oom(e);
        if (complete(r, v, list, e) < 0 || sql_bind(&r->statement, r->pack, r->parameters, r->n_parameters, 1, &sql, e) < 0)
                return -1;
        struct run_values all = *v;
        all.pack = r->pack;
        all.parameters = list;
        all.n_parameters = r->n_parameters;
        if (sql_add_values(&sql, &all, p, e) < 0)
                return err_prefix(e, "%s", r->statement.path);
        return run(d, r, sql.text, p, json, e);
}
