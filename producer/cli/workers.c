/* SPDX-License-Identifier: Apache-2.0 */
/* The programs of the service that are there, or were within a day. */
#include "output.h"
#include "commands.h"
#include "rollcall_statements.h"

int verb_workers(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "PROGRAM",    "HOST",      "PID",   "VERSION", "LANES",
                                             "PARTITIONS", "LAST SEEN", "STATE", NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL,
                            *threads CLEANUP(db_result_cleanup) = NULL;
        (void)a;
        int rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, sql_workers_programs, NULL, 0, &r);
        if (rc == 0 && c->json)
                rc = cli_query(c, sql_workers_threads, NULL, 0, &threads);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_pack("{s:o, s:o}", "programs", json_rows(r), "threads",
                                            json_rows(threads)));
        if (db_rows(r) == 0) {
                puts("No program of this service is running, nor was within a day.");
                return CODE_OK;
        }
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (int i = 0; i < db_rows(r); i++) {
                static const char *const cells[] = { "program", "host", "pid", "version", "lanes" };
                for (size_t k = 0; k < ARRAY_LEN(cells); k++)
                        table_add(&t, db_str(r, i, db_column(r, cells[k])));
                bool worker = *db_str(r, i, db_column(r, "lanes")) != '\0';
                table_add(&t, worker ? db_str(r, i, db_column(r, "partitions")) : "");
                table_addf(&t, "%s s ago", db_str(r, i, db_column(r, "seen_seconds_ago")));
                table_add(&t, db_str(r, i, db_column(r, "state")));
        }
        table_print(c, &t);
        return CODE_OK;
}
