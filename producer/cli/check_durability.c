/* SPDX-License-Identifier: Apache-2.0 */
/* Does the database keep what it has confirmed? */
#include "check_durability.h"
#include "rollcall_statements.h"

#include <string.h>

static const char *consequence(const char *name)
{
        if (strcmp(name, "default_transaction_read_only") == 0)
                return "nothing can be written";
        if (strcmp(name, "synchronous_commit") == 0)
                return "after a crash or a failover the database may have forgotten outcomes that "
                       "were published";
        return "after a crash of the machine the database may have forgotten outcomes that were "
               "published, or be damaged";
}

static void check_setting(struct check *k, const char *name, const char *value)
{
        bool loss = strcmp(name, "default_transaction_read_only") != 0;
        if (loss && k->cli->service->database.allow_data_loss)
                check_note(k, "durability", name,
                           "it is %s, and database.allow_data_loss says that this is meant: %s",
                           value, consequence(name));
        else
                check_fail(k, "durability", name, "it is %s: %s; set it to %s%s", value,
                           consequence(name), loss ? "on" : "off",
                           loss ? ", or say database.allow_data_loss = true where nothing may be "
                                  "lost by it (a trial, tests)"
                                : "");
}

static void check_standbys(struct check *k, struct db *d)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(d, sql_check_standbys, NULL, &r, &e) < 0)
                check_fail(k, "durability", "", "%s", e.text);
        else if (db_int(r, 0, 0) > 0)
                check_note(k, "durability", "",
                           "%lld standbys follow, and commits do not wait for them "
                           "(synchronous_standby_names is empty): one that is promoted may lack "
                           "outcomes that were published",
                           (long long)db_int(r, 0, 0));
}

void check_durability(struct check *k, struct db *d)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL,
                            *others CLEANUP(db_result_cleanup) = NULL;
        size_t failed = k->failed, found = 0;
        if (db_query(d, sql_check_settings, NULL, &r, &e) < 0 ||
            db_query(d, sql_check_settings_of_others, NULL, &others, &e) < 0) {
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
                check_ok(k, "durability", "",
                         "what is committed is kept: fsync, full_page_writes and "
                         "synchronous_commit are on");
}
