/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the run that an operator names. */
#include "run_ref.h"
#include "rollcall_statements.h"

#include <stdio.h>
#include <string.h>

/* Only hexadecimal digits and dashes, at least 4: can be the beginning of an id. */
static bool id_prefix(const char *text)
{
        size_t len = strlen(text);
        return len >= 4 && len <= UUID_TEXT_LEN &&
               text[strspn(text, "0123456789abcdefABCDEF-")] == '\0';
}

static int ambiguous(const char *text, const struct db_result *r)
{
        return cli_error(CODE_USAGE,
                         "\"%s\" is the beginning of several run ids (%s, %s …): give more of it",
                         text, db_str(r, 0, 1), db_str(r, 1, 1));
}

int run_find(struct cli *c, const char *text, struct run_ref *ret)
{
        struct db_result *by_id CLEANUP(db_result_cleanup) = NULL,
                                *by_job CLEANUP(db_result_cleanup) = NULL;
        const struct db_result *r = NULL;
        int rc = 0;
        if (id_prefix(text)) {
                rc = cli_query(c, sql_run_by_id, &text, 1, &by_id);
                if (rc == 0 && db_rows(by_id) > 1)
                        return ambiguous(text, by_id);
                if (rc == 0 && db_rows(by_id) == 1)
                        r = by_id;
        }
        if (rc == 0 && !r) {
                rc = cli_query(c, sql_run_by_job, &text, 1, &by_job);
                if (rc == 0 && db_rows(by_job) == 1)
                        r = by_job;
        }
        if (rc)
                return rc;
        if (!r)
                return cli_error(
                        CODE_NOT_FOUND,
                        "no run has the id (or first characters, at least 4) or the job name "
                        "\"%s\"; see: rollcall runs list",
                        text);
        ret->run_no = db_int(r, 0, 0);
        snprintf(ret->id, sizeof ret->id, "%s", db_str(r, 0, 1));
        return 0;
}
