/* What the database's settings must be, so that what Rollcall has published stays true. */
#include "check.h"

#include "ledger/ledger.h"

#include <string.h>

/* Per setting: its value here, and whether it breaks the promise. synchronous_commit = local does
 * only where a standby is to be waited for. */
static const char settings_sql[] =
        "select name, setting, case name when 'synchronous_commit' then setting = 'off' or (setting = 'local' and "
        "current_setting('synchronous_standby_names') <> '') when 'default_transaction_read_only' then setting = 'on' else setting = 'off' end "
        "from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'default_transaction_read_only') order by name";

/* Settings of databases and roles that reach other sessions than this one. */
static const char others_sql[] =
        "select coalesce(r.rolname, 'every role')::text, c from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) c "
        "where s.setdatabase in (0, (select oid from pg_database where datname = current_database())) "
        "and (c in ('synchronous_commit=off', 'default_transaction_read_only=on') or (c = 'synchronous_commit=local' and "
        "current_setting('synchronous_standby_names') <> '')) order by 1, 2";

static const char *consequence(const char *name)
{
        if (strcmp(name, "default_transaction_read_only") == 0)
                return "nothing can be written";
        if (strcmp(name, "synchronous_commit") == 0)
                return "after a crash or a failover the database may have forgotten outcomes that were published";
        return "after a crash of the machine the database may have forgotten outcomes that were published, or be damaged";
}

static void check_setting(struct check *k, const char *name, const char *value)
{
        bool loss = strcmp(name, "default_transaction_read_only") != 0;
        if (loss && k->cli->service->database.allow_data_loss)
                check_note(k, "durability", name,
                           "it is %s, and database.allow_data_loss says that this is meant: %s",
                           value, consequence(name));
        else
                check_fail(
                        k, "durability", name, "it is %s: %s; set it to %s%s", value,
                        consequence(name), loss ? "on" : "off",
                        loss ? ", or say database.allow_data_loss = true where nothing may be lost by it (a trial, tests)"
                             : "");
}

static void check_standbys(struct check *k, struct db *d)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(
                    d,
                    "select count(*) from pg_stat_replication where current_setting('synchronous_standby_names') = ''",
                    NULL, &r, &e) < 0)
                check_fail(k, "durability", "", "%s", e.text);
        else if (db_int(r, 0, 0) > 0)
                check_note(
                        k, "durability", "",
                        "%lld standbys follow, and commits do not wait for them (synchronous_standby_names is empty): one that is promoted may lack "
                        "outcomes that were published",
                        (long long)db_int(r, 0, 0));
}

void check_durability(struct check *k, struct db *d)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL,
                            *others CLEANUP(db_result_cleanup) = NULL;
        size_t failed = k->failed, found = 0;
        if (db_query(d, settings_sql, NULL, &r, &e) < 0 ||
            db_query(d, others_sql, NULL, &others, &e) < 0) {
                check_fail(k, "durability", "", "%s", e.text);
                return;
        }
        for (int i = 0; i < db_rows(r); i++)
                if (db_bool(r, i, 2)) {
                        check_setting(k, db_str(r, i, 0), db_str(r, i, 1));
                        found++;
                }
        for (int i = 0; i < db_rows(others); i++)
                check_note(k, "durability", db_str(others, i, 0),
                           "has %s: none of the programs may run as such a role",
                           db_str(others, i, 1));
        check_standbys(k, d);
        if (found == 0 && k->failed == failed)
                check_ok(
                        k, "durability", "",
                        "what is committed is kept: fsync, full_page_writes and synchronous_commit are on");
}

/* ---- our tables ---- */

/* Which of our tables is missing, or which privilege on one; those of the catalogue, and those that
 * our schema makes. */
static const char privileges_sql[] =
        "with t as (select relname::text as name from pg_class where relnamespace = 'rollcall'::regnamespace and relkind in ('r', 'p') and not relispartition "
        "union select unnest($1::text[])) "
        "select t.name, to_regclass('rollcall.' || quote_ident(t.name)) is null, coalesce(string_agg(p.name, ', ' order by p.name) filter (where "
        "to_regclass('rollcall.' || quote_ident(t.name)) is not null and not has_table_privilege(to_regclass('rollcall.' || quote_ident(t.name)), p.name)), '') "
        "from t, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as p(name) group by t.name order by t.name";

void check_tables(struct check *k, struct db *d)
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
        if (db_query(d, privileges_sql, p, &r, &e) < 0 ||
            db_query(
                    d,
                    "select has_schema_privilege('rollcall', 'USAGE'), has_schema_privilege('rollcall', 'CREATE'), current_user::text",
                    NULL, &s, &e) < 0) {
                check_fail(k, "privileges", "", "%s", e.text);
                return;
        }
        for (int i = 0; i < db_rows(r); i++)
                if (db_bool(r, i, 1))
                        check_fail(
                                k, "table", db_str(r, i, 0),
                                "rollcall.%s is missing although the schema's version is right: restore it",
                                db_str(r, i, 0));
                else if (*db_str(r, i, 2))
                        check_fail(k, "privileges", db_str(r, i, 0), "%s may not %s: grant it",
                                   db_str(s, 0, 2), db_str(r, i, 2));
        if (!db_bool(s, 0, 0) || !db_bool(s, 0, 1))
                check_fail(
                        k, "privileges", "schema rollcall",
                        "%s needs USAGE and CREATE on it (the ledger's partitions are made as days come)",
                        db_str(s, 0, 2));
        if (k->failed == before)
                check_ok(k, "privileges", "schema rollcall",
                         "%s may read and write all of its %d tables", db_str(s, 0, 2), db_rows(r));
}
