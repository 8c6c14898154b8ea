/* SPDX-License-Identifier: Apache-2.0 */
/* The aggregator's totals: rollcall.day_total and rollcall.run_total. */
#include "output.h"
#include "commands.h"
#include "rollcall_statements.h"

#include <string.h>

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
                rc = cli_query(c, runs ? sql_totals_by_run : sql_totals_by_day, &days, 1, &r);
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
