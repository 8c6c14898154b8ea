/* SPDX-License-Identifier: Apache-2.0 */
/* Brings the schema to the program's version, creates functions and views again, and registers
 * jobs and types. */
#include "ledger/ledger.h"

#include "ledger_sql.h"
#include "ledger_statements.h"
#include "pack/statement.h"

#include <stdio.h>
#include <string.h>

enum { PARAMS_MAX = 64 * 1024 };

/* schemas/sql/versions, in order; entry i brings the database to version i + 1. */
static const char *const versions[LEDGER_VERSION] = { sql_001_rollcall, sql_002_authority,
                                                      sql_003_batches };

/* 0 when our schema is not there. */
static int found_version(struct db *d, int *ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(d, "select to_regclass('rollcall.schema_version') is not null", NULL, &r, e) <
            0)
                return -1;
        if (!db_bool(r, 0, 0)) {
                *ret = 0;
                return 0;
        }
        struct db_result *v CLEANUP(db_result_cleanup) = NULL;
        if (db_query(d, "select coalesce(max(version), 0) from rollcall.schema_version", NULL, &v,
                     e) < 0)
                return -1;
        *ret = (int)db_int(v, 0, 0);
        return 0;
}

static int register_names(struct db *d, const char *sql, const char *a, const char *b,
                          struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!p)
                return err_oom(e);
        db_add_str(p, a);
        if (b)
                db_add_str(p, b);
        return db_query(d, sql, p, NULL, e);
}

/* Is it who asks, and is that as `ctx`, a bool, says: given by who may act for others? */
static bool argument_from_actor(const void *row, void *ctx)
{
        const struct parameter *d = row;
        return d->from_actor && d->for_others == *(const bool *)ctx;
}

/* What the request functions need to know of a type. */
static int describe_type(struct db *d, const struct task_type *t, struct err *e)
{
        static const struct db_column name = DB_FIELD(DB_TEXT, struct parameter, name);
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_rowset arguments = DB_ARRAY(t->arguments, t->n_arguments);
        bool for_others[] = { false, true };
        if (!p)
                return err_oom(e);
        db_add_str(p, t->full_name);
        db_add_str(p, t->requires_role);
        arguments.wanted = argument_from_actor;
        for (size_t i = 0; i < ARRAY_LEN(for_others); i++) {
                arguments.ctx = &for_others[i];
                db_add_columns(p, &arguments, &name, 1);
        }
        return db_query(d, sql_type_describe, p, NULL, e);
}

static bool task_needs_role(const void *row, void *ctx)
{
        (void)ctx;
        return ((const struct job_task *)row)->type->requires_role != NULL;
}

static void add_role(struct db_params *p, const void *row, void *ctx)
{
        (void)ctx;
        db_element_text(p, span_of(((const struct job_task *)row)->type->requires_role));
}

/* A job needs the roles of all its types. */
static int describe_job(struct db *d, const struct job *j, struct err *e)
{
        static const struct db_column role = DB_CALL(DB_TEXT, add_role);
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_rowset tasks = DB_ARRAY(j->tasks, j->n_tasks);
        if (!p)
                return err_oom(e);
        tasks.wanted = task_needs_role;
        db_add_str(p, j->pack->name);
        db_add_str(p, j->name);
        db_add_columns(p, &tasks, &role, 1);
        return db_query(d,
                        "update rollcall.job set requires_roles = $3 where pack = $1 and job = $2 "
                        "and requires_roles is distinct from $3",
                        p, NULL, e);
}

static int apply_authority(struct db *d, const struct ledger_service *s, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!p)
                return err_oom(e);
        db_add_strings(p, s->act_for_others, s->n_act_for_others);
        if (db_query(d, "delete from rollcall.authority where role_name <> all($1)", p, NULL, e) <
            0)
                return -1;
        return db_query(
                d,
                "insert into rollcall.authority (right_name, role_name) "
                "select distinct 'act_for_others', r from unnest($1) r on conflict do nothing",
                p, NULL, e);
}

static int apply_pack(struct db *d, const struct pack *p, struct err *e)
{
        if (p->schema.text) {
                if (pack_search_path(d, p, true, e) < 0 || db_exec(d, p->schema.text, e) < 0)
                        return err_prefix(e, "%s", p->schema.path);
                if (db_exec(d, "set local search_path to default", e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < p->n_types; i++)
                if (register_names(d,
                                   "insert into rollcall.task_type (name) select $1 where not "
                                   "exists (select from rollcall.task_type where name = $1)",
                                   p->types[i].full_name, NULL, e) < 0 ||
                    describe_type(d, &p->types[i], e) < 0)
                        return -1;
        for (size_t i = 0; i < p->n_jobs; i++)
                if (register_names(d,
                                   "insert into rollcall.job (pack, job) values ($1, $2) on "
                                   "conflict do nothing",
                                   p->name, p->jobs[i].name, e) < 0 ||
                    describe_job(d, &p->jobs[i], e) < 0)
                        return -1;
        if (register_names(d, "delete from rollcall.locked_setting where pack = $1", p->name, NULL,
                           e) < 0)
                return -1;
        for (size_t i = 0; i < p->n_settings; i++)
                if (p->settings[i].locked &&
                    register_names(
                            d, "insert into rollcall.locked_setting (pack, name) values ($1, $2)",
                            p->name, p->settings[i].name, e) < 0)
                        return -1;
        return 0;
}

static int check_service(struct db *d, const char *prefix, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!p)
                return err_oom(e);
        db_add_str(p, prefix);
        if (db_query(d, "select prefix from rollcall.service where prefix <> $1", p, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        return err_set(e, ERR_FATAL, "",
                       "this database is used by the service with kafka.prefix \"%s\", and this "
                       "configuration says \"%s\": one service a database; give this one a "
                       "database of its own, or, if the prefix was changed on purpose, run: "
                       "rollcall db apply --new-prefix",
                       db_str(r, 0, 0), prefix);
}

static int apply_service(struct db *d, const struct ledger_service *s, struct err *e)
{
        if (register_names(d,
                           s->renamed ? "insert into rollcall.service (prefix) select $1 on "
                                        "conflict (one) do update set prefix = excluded.prefix"
                                      : "insert into rollcall.service (prefix) select $1 on "
                                        "conflict (one) do nothing",
                           s->prefix, NULL, e) < 0)
                return -1;
        return check_service(d, s->prefix, e) < 0 ? -1 : apply_authority(d, s, e);
}

static int apply_all(struct db *d, const struct packs *p, const struct ledger_service *s,
                     int *ret_from, struct err *e)
{
        /* one at a time, also when several operators run it */
        if (db_exec(d, "select pg_advisory_xact_lock(hashtext('rollcall.schema'))", e) < 0 ||
            found_version(d, ret_from, e) < 0)
                return -1;
        if (*ret_from > LEDGER_VERSION)
                return err_set(e, ERR_FATAL, "",
                               "the database's schema rollcall has version %d, this program knows "
                               "%d: use a newer program",
                               *ret_from, LEDGER_VERSION);
        for (int v = *ret_from; v < LEDGER_VERSION; v++)
                if (db_exec(d, versions[v], e) < 0)
                        return err_prefix(e, "schema version %d", v + 1);
        if (db_exec(d, sql_recreate, e) < 0)
                return err_prefix(e, "schemas/sql/recreate.sql");
        if (apply_service(d, s, e) < 0)
                return -1;
        for (size_t i = 0; i < p->n; i++)
                if (apply_pack(d, p->list[i], e) < 0)
                        return -1;
        return 0;
}

int ledger_apply(struct db *d, const struct packs *p, const struct ledger_service *s, int *ret_from,
                 struct err *e)
{
        if (db_exec(d, "begin", e) < 0)
                return -1;
        if (apply_all(d, p, s, ret_from, e) < 0) {
                (void)!db_exec(d, "rollback",
                               NULL); /* the first error is the one that is reported */
                return -1;
        }
        return db_exec(d, "commit", e);
}

void ledger_tables(struct buf *out)
{
        static const char begin[] = "create table rollcall.";
        for (size_t v = 0; v < ARRAY_LEN(versions); v++)
                for (const char *at = versions[v]; (at = strstr(at, begin));) {
                        at += sizeof begin - 1;
                        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
                        if (len > 0) /* a function's table of a day has no name yet */
                                buf_addf(out, "%s%.*s", out->len ? "," : "{", (int)len, at);
                }
        buf_addc(out, '}');
}

int ledger_check(struct db *d, const char *prefix, struct err *e)
{
        int found;
        if (found_version(d, &found, e) < 0)
                return -1;
        if (found == 0)
                return err_set(e, ERR_FATAL, "",
                               "the database has no schema rollcall yet; run: rollcall db apply");
        if (found < LEDGER_VERSION)
                return err_set(e, ERR_FATAL, "",
                               "the database's schema rollcall has version %d, %d is needed; run: "
                               "rollcall db apply",
                               found, LEDGER_VERSION);
        if (found > LEDGER_VERSION)
                return err_set(e, ERR_FATAL, "",
                               "the database's schema rollcall has version %d, this program knows "
                               "%d: use a newer program",
                               found, LEDGER_VERSION);
        return check_service(d, prefix, e);
}
