/* SPDX-License-Identifier: Apache-2.0 */
/* The database as `rollcall check` looks at it. */
#include "check_database.h"
#include "check_durability.h"
#include "rollcall_statements.h"

#include "ledger/ledger.h"

#include <string.h>

enum { SERVER_MIN = 150000 };

/* ---- our tables ---- */

static void check_tables(struct check *k, struct db *d)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL, *s CLEANUP(db_result_cleanup) = NULL;
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(64 * 1024);
        BUF_CLEANUP struct buf names = { .max = 32 * 1024 };
        size_t before = k->failed;
        ledger_tables(&names);
        if (!p || names.failed) {
                check_fail(k, "memory", "", "out of memory");
                return;
        }
        db_add_str(p, buf_str(&names));
        if (db_query(d, sql_check_tables, p, &r, &e) < 0 ||
            db_query(d, sql_check_schema, NULL, &s, &e) < 0) {
                check_fail(k, "privileges", "", "%s", e.text);
                return;
        }
        for (int i = 0; i < db_rows(r); i++)
                if (db_bool(r, i, 1))
                        check_fail(k, "table", db_str(r, i, 0),
                                   "rollcall.%s is missing although the schema's version is right: "
                                   "restore it",
                                   db_str(r, i, 0));
                else if (*db_str(r, i, 2))
                        check_fail(k, "privileges", db_str(r, i, 0), "%s may not %s: grant it",
                                   db_str(s, 0, 2), db_str(r, i, 2));
        if (!db_bool(s, 0, 0) || !db_bool(s, 0, 1))
                check_fail(k, "privileges", "schema rollcall",
                           "%s needs USAGE and CREATE on it (the ledger's partitions are made as "
                           "days come)",
                           db_str(s, 0, 2));
        if (k->failed == before)
                check_ok(k, "privileges", "schema rollcall",
                         "%s may read and write all of its %d tables", db_str(s, 0, 2), db_rows(r));
}

/* ---- what the packs need ---- */

static void check_registered(struct check *k, struct db *d, const struct packs *all)
{
        struct err e = ERR_INIT;
        struct type_numbers *numbers = NULL;
        if (type_numbers_load(d, all, &numbers, &e) < 0)
                check_fail(k, "task types", "", "%s", e.text);
        else
                check_ok(k, "task types", "", "all are registered in the database");
        type_numbers_free(numbers);
}

static void check_role(struct check *k, struct db *d, const struct pack *p, const char *what,
                       const char *name, const char *role)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct db_params *q CLEANUP(db_params_cleanup) = role ? db_params_new(4096) : NULL;
        char where[300];
        if (!role)
                return;
        snprintf(where, sizeof where, "%s.%s", p->name, name);
        if (!q) {
                check_fail(k, what, where, "out of memory");
                return;
        }
        db_add_str(q, role);
        if (db_query(d, "select from pg_catalog.pg_roles where rolname = $1", q, &r, &e) < 0)
                check_fail(k, what, where, "%s", e.text);
        else if (db_rows(r) == 0)
                check_fail(k, what, where,
                           "requires_role is \"%s\", and the database has no such role: nobody can "
                           "request it; create the role and grant it to those who may",
                           role);
        else
                check_ok(k, what, where, "is for members of the role \"%s\"", role);
}

static void check_roles(struct check *k, struct db *d, const struct packs *all)
{
        for (size_t i = 0; i < all->n; i++) {
                const struct pack *p = all->list[i];
                for (size_t j = 0; j < p->n_types; j++)
                        check_role(k, d, p, "task type", p->types[j].name,
                                   p->types[j].requires_role);
                for (size_t j = 0; j < p->n_commands; j++)
                        check_role(k, d, p, "command", p->commands[j].name,
                                   p->commands[j].requires_role);
        }
}

bool check_database(struct check *k, struct db *d, const char *prefix, const struct packs *all)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int version = db_server_version(d);
        if (db_query(d, sql_check_database, NULL, &r, &e) < 0) {
                check_fail(k, "database", "", "%s", e.text);
                return false;
        }
        if (version < SERVER_MIN)
                check_fail(k, "database", db_str(r, 0, 0),
                           "PostgreSQL %d is too old, 15 or newer is needed", version / 10000);
        else if (strcmp(db_str(r, 0, 1), "UTF8") != 0)
                check_fail(k, "database", db_str(r, 0, 0), "its encoding is %s, UTF8 is needed",
                           db_str(r, 0, 1));
        else
                check_ok(k, "database", db_str(r, 0, 0), "PostgreSQL %d.%d, UTF8", version / 10000,
                         version % 10000);
        check_durability(k, d);
        if (ledger_check(d, prefix, &e) < 0) {
                check_fail(k, "ledger", "schema rollcall", "%s", e.text);
                return false;
        }
        check_ok(k, "ledger", "schema rollcall", "version %d", LEDGER_VERSION);
        check_tables(k, d);
        if (all) {
                check_registered(k, d, all);
                check_roles(k, d, all);
        }
        return true;
}
