/* What changes the counts of a run that may be closed already is noted for the scheduler, which
 * then looks at the run's state again. */
#include "transact_parts.h"
#include "worker_statements.h"

/* A replaced outcome of a run that closes just now: what this worker last read of it does not
 * count. */
static bool late(const struct entry *en)
{
        return en->state == ENTRY_DONE && en->run &&
               (en->replaces || !run_state_open(en->run->state)) && en->run->state != RUN_CANCELLED;
}

int transact_note_recounts(struct transactor *t, const struct batch *b, struct err *e)
{
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                n += late(&b->entries[i]);
        if (n == 0)
                return 0;
        db_params_reset(t->params);
        db_array_begin(t->params, DB_INT8, n);
        for (size_t i = 0; i < b->n; i++)
                if (late(&b->entries[i]))
                        db_element_int(t->params, b->entries[i].run->run_no);
        db_array_end(t->params);
        return db_query(t->db, sql_recount_add, t->params, NULL, e);
}
