/* The aggregator's totals: rollcall.day_total and rollcall.run_total. */
#include "output.h"
#include "verbs.h"

#include <string.h>

static const char BY_DAY[] =
        "select day::text, type, dry_run, "
        "(array['applied', 'skipped', 'failed', 'quarantined', 'unknown'])[outcome + 1] as outcome, count, reason from rollcall.day_total "
        "where day > (clock_timestamp() at time zone 'UTC')::date - $1::int order by day desc, type, dry_run, day_total.outcome, count desc";

static const char BY_RUN[] =
        "select case when job = '' then 'ad-hoc tasks' else run_id::text end as run, case when job = '' then '' else pack || '.' || job end as job, "
        "dry_run, applied, skipped, failed, quarantined, unknown from rollcall.run_total "
        "where last_at > clock_timestamp() - $1::int * interval '1 day' order by job = '' desc, last_at desc, dry_run";

int verb_results_totals(struct cli *c, const struct args *a)
{
        static const char *const day_heads[] = { "DAY",   "TYPE",   "DRY RUN", "OUTCOME",
                                                 "COUNT", "REASON", NULL };
        static const char *const run_heads[] = { "RUN",         "JOB",     "DRY RUN",
                                                 "APPLIED",     "SKIPPED", "FAILED",
                                                 "QUARANTINED", "UNKNOWN", NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *days = args_get(a, "days") ? args_get(a, "days") : "7", *by = args_get(a, "by");
        bool runs = by && strcmp(by, "run") == 0;
        int64_t n;
        int rc = args_number(a, "days", 7, 1, 100000, &n);
        if (rc == 0 && by && !runs && strcmp(by, "day") != 0)
                rc = cli_error(CODE_USAGE, "results totals: --by \"%s\": day or run was expected",
                               by);
        if (rc == 0)
                rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, runs ? BY_RUN : BY_DAY, &days, 1, &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_rows(r));
        TABLE_CLEANUP struct table t;
        table_init(&t, runs ? run_heads : day_heads);
        for (int i = 0; i < db_rows(r); i++)
                for (int k = 0; k < (int)t.columns; k++)
                        table_add(&t, k != 2 ? db_str(r, i, k) : db_bool(r, i, k) ? "yes" : "");
        table_print(c, &t);
        return CODE_OK;
}
