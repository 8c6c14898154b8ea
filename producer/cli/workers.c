/* The programs of the service that are there, or were within a day. */
#include "output.h"
#include "verbs.h"

static const char PROGRAMS[] =
        "select program, host, pid, version, coalesce(string_agg(distinct lane, ', '), '') as lanes, coalesce(sum(cardinality(partitions)), 0)::bigint as partitions, "
        "min(started_at) as started_at, max(seen_at) as seen_at, extract(epoch from clock_timestamp() - max(seen_at))::bigint as seen_seconds_ago, "
        "case when not bool_or(alive) then 'gone' when bool_or(leads) then 'leading' when not bool_and(alive) then 'partly gone' else 'alive' end as state "
        "from rollcall.process_now group by program, host, pid, version order by program, host, pid";

static const char THREADS[] =
        "select program, host, pid, name, lane, partitions, leads, seen_at, alive from rollcall.process_now order by name";

int verb_workers(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "PROGRAM",    "HOST",      "PID",   "VERSION", "LANES",
                                             "PARTITIONS", "LAST SEEN", "STATE", NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL,
                            *threads CLEANUP(db_result_cleanup) = NULL;
        (void)a;
        int rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, PROGRAMS, NULL, 0, &r);
        if (rc == 0 && c->json)
                rc = cli_query(c, THREADS, NULL, 0, &threads);
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
