/* SPDX-License-Identifier: Apache-2.0 */
/* Task types that are paused: shown, and resumed. */
#include "output.h"
#include "types.h"
#include "commands.h"
#include "rollcall_statements.h"

#include "pack/pack.h"

#include <stdio.h>
#include <string.h>

void types_print(const struct cli *c, const struct db_result *r)
{
        static const char *const heads[] = { "TYPE",     "PAUSED SINCE", "SQLSTATE", "TRIED",
                                             "NEXT TRY", "REASON",       NULL };
        static const int columns[] = { 0, 1, 2, 3, 4, 5 };
        rows_print(c, heads, columns, r);
}

int verb_types_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "TYPE",     "STATE",    "PAUSED SINCE",
                                             "SQLSTATE", "NEXT TRY", "REASON",
                                             NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        (void)a;
        int rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c, sql_types_list, NULL, 0, &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_rows(r));
        static const int columns[] = { 0, 1, 2, 3, 4, 6 };
        rows_print(c, heads, columns, r);
        return CODE_OK;
}

/* A name that only one registered type has may be given without its pack. */
static int full_name(struct cli *c, const char *name, struct db_result **ret)
{
        int rc = cli_query(c, sql_type_names, &name, 1, ret);
        if (rc)
                return rc;
        if (db_rows(*ret) == 0)
                return cli_error(CODE_NOT_FOUND, "no task type \"%s\"; see: rollcall types list",
                                 name);
        if (db_rows(*ret) > 1 && strcmp(db_str(*ret, 0, 0), name) != 0)
                return cli_error(
                        CODE_USAGE,
                        "several packs have a task type \"%s\": give its full name, such as %s",
                        name, db_str(*ret, 0, 0));
        return 0;
}

int verb_types_resume(struct cli *c, const struct args *a)
{
        struct db_result *found CLEANUP(db_result_cleanup) = NULL,
                                *r CLEANUP(db_result_cleanup) = NULL;
        int rc = cli_db(c);
        if (rc == 0)
                rc = full_name(c, args_operand(a, 0), &found);
        if (rc)
                return rc;
        const char *params[] = { db_str(found, 0, 0), c->actor_given };
        rc = cli_query(c, "select rollcall.resume_type($1, $2)", params, ARRAY_LEN(params), &r);
        if (rc)
                return rc;
        bool resumed = db_bool(r, 0, 0);
        if (c->json)
                return print_json(json_pack("{s:s, s:b}", "type", params[0], "resumed", resumed));
        if (resumed)
                printf("%s is resumed; the scheduler publishes again what open runs and requests "
                       "owe of it\n",
                       params[0]);
        else
                printf("%s is not paused: nothing to do\n", params[0]);
        return CODE_OK;
}
