/* SPDX-License-Identifier: Apache-2.0 */
/* `rollcall requests list`: who requested what, and when. */
#include "output.h"
#include "commands.h"
#include "rollcall_statements.h"

int verb_requests_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "REQUEST", "AT",        "ACTOR", "ON BEHALF OF",
                                             "ORIGIN",  "WHAT",      "ABOUT", "TASKS",
                                             "DRY RUN", "PUBLISHED", NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *limit = args_get(a, "limit") ? args_get(a, "limit") : "20";
        int64_t n;
        int rc = args_number(a, "limit", 20, 1, 1000000, &n);
        if (rc == 0)
                rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, sql_requests_list, &limit, 1, &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_rows(r));
        static const int columns[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
        rows_print(c, heads, columns, r);
        return CODE_OK;
}
