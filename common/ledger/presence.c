/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of rollcall.process: which programs are running. */
#include "ledger/presence.h"

#include "ledger_statements.h"

#include <unistd.h>

enum { PARAMS_MAX = 64 * 1024 };

int presence_note(struct db *d, const struct presence *p, int64_t *at_ms, struct err *e)
{
        static const struct db_column partition = DB_ITSELF(DB_INT4, int32_t);
        const struct db_rowset partitions = DB_ARRAY(p->partitions, p->n_partitions);
        int64_t now = monotonic_ms();
        char host[64] = "";
        if (*at_ms && now - *at_ms < PRESENCE_MS)
                return 0;
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!q)
                return err_oom(e);
        gethostname(host, sizeof host - 1);
        db_add_str(q, p->name);
        db_add_str(q, p->program);
        db_add_str(q, host);
        db_add_int4(q, (int32_t)getpid());
        db_add_str(q, ROLLCALL_VERSION);
        db_add_str(q, p->lane);
        db_add_columns(q, &partitions, &partition, 1);
        db_add_bool(q, p->leading);
        db_add_text(q, p->waits_for ? span_of(p->waits_for) : (struct span){ 0 });
        db_add_str(q, p->refused_reload);
        db_add_instant(q, p->refused_reload ? p->refused_at : INSTANT_NONE);
        *at_ms = now;
        return db_query(d, sql_presence_note, q, NULL, e);
}

void presence_leave(struct db *d, const char *name)
{
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!q)
                return;
        db_add_str(q, name);
        (void)!db_query(d, "delete from rollcall.process where name = $1", q, NULL, NULL);
}
