/* SPDX-License-Identifier: Apache-2.0 */
/* Every run that ends does so here, in a transaction that checks the lease. */
#include "run_close.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "scheduler_statements.h"

struct run_name run_name_of(const struct run *r)
{
        return (struct run_name){ r->run_no, r->run_id, r->pack_name, r->job_name };
}

static void log_end(const struct run_name *n, const struct run_end *end)
{
        enum log_level level = run_state_well(end->state) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
        const struct run_totals *t = end->totals;
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(n->run_id, id);
        if (!t) {
                log_write(level, "run closed", RUN_Q " state=" LOG_Q " reason=" LOG_Q,
                          RUN_VALUES(n->run_no, id, n->pack, n->job), run_state_name(end->state),
                          end->reason);
                return;
        }
        log_write(level, "run closed",
                  RUN_Q " state=" LOG_Q " dry_run=%s planned=%lld applied=%lld skipped=%lld"
                        " failed=%lld quarantined=%lld unknown=%lld follow_ups=%lld seconds=%s"
                        " reason=" LOG_Q,
                  RUN_VALUES(n->run_no, id, n->pack, n->job), run_state_name(end->state),
                  t->dry_run ? "true" : "false", (long long)t->planned, (long long)t->applied,
                  (long long)t->skipped, (long long)t->failed, (long long)t->quarantined,
                  (long long)t->unknown, (long long)t->follow_ups, t->seconds, end->reason);
}

int run_close(struct context *c, const struct run_name *n, const struct run_end *end, struct err *e)
{
        db_params_reset(c->params);
        db_add_int8(c->params, n->run_no);
        db_add_str(c->params, run_state_name(end->state));
        db_add_str(c->params, end->reason);
        db_add_bool(c->params, end->alert);
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, sql_close_run, c->params, NULL, e) < 0)
                return -1;
        FAILPOINT("close.uncommitted");
        int rc = lease_commit(&c->lease, c->db, e);
        if (rc == 0)
                log_end(n, end);
        return rc;
}
