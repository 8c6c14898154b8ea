/* SPDX-License-Identifier: Apache-2.0 */
/* The lease is one row; its functions are one statement each. */
#include "lease.h"
#include "scheduler_statements.h"

#include <stdio.h>

static struct db_params *params_of(const struct lease *l)
{
        struct db_params *p = db_params_new(1024);
        if (p) {
                db_add_str(p, l->holder);
                db_add_int8(p, l->epoch);
        }
        return p;
}

static bool is_fresh(const struct lease *l)
{
        return l->epoch && monotonic_ms() - l->renewed_ms < l->length_ms / 3;
}

static int renew(struct lease *l, struct db *d, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = params_of(l);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_int8(p, l->length_ms);
        int64_t asked_ms = monotonic_ms();
        if (db_query(d, sql_lease_keep, p, &r, e) < 0)
                return -1;
        l->epoch = db_rows(r) ? db_int(r, 0, 0) : 0;
        l->renewed_ms = asked_ms;
        return 0;
}

int lease_keep(struct lease *l, struct db *d, bool *ret_leading, struct err *e)
{
        if (!is_fresh(l) && renew(l, d, e) < 0)
                return -1;
        if (ret_leading)
                *ret_leading = l->epoch != 0;
        return 0;
}

int lease_check(struct lease *l, struct db *d, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = params_of(l);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        if (db_query(
                    d,
                    "select from rollcall.lease where name = 'scheduler' and holder = $1 and epoch "
                    "= $2::bigint for share",
                    p, &r, e) < 0)
                return -1;
        if (db_rows(r) == 1)
                return 0;
        l->epoch = 0;
        return LEAD_LOST;
}

int lease_commit(struct lease *l, struct db *d, struct err *e)
{
        int rc = lease_check(l, d, e);
        if (rc == 0)
                return db_exec(d, "commit", e);
        return rc < 0 || db_exec(d, "rollback", e) < 0 ? -1 : LEAD_LOST;
}

void lease_release(struct lease *l, struct db *d)
{
        struct db_params *p CLEANUP(db_params_cleanup) = params_of(l);
        if (p && l->epoch)
                (void)!db_query(
                        d,
                        "update rollcall.lease set expires_at = clock_timestamp() where name = "
                        "'scheduler' and holder = $1 and epoch = $2::bigint",
                        p, NULL, NULL); /* it would run out by itself */
        l->epoch = 0;
}
