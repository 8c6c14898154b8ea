/* Paused task types, as a worker sees them: what it has paused is said, and what is due is tried
 * again by one worker. */
#include "pump_internal.h"

#include "base/log.h"
#include "worker_statements.h"

#include <string.h>

int pump_read_pauses(struct pump *p, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(p->db, sql_paused_types, NULL, &r, e) < 0)
                return -1;
        pauses_read(&p->transactor.pauses, db_str(r, 0, 0));
        return 0;
}

void pump_note_pauses(struct pump *p)
{
        struct pauses *all = &p->transactor.pauses;
        for (size_t i = 0; i < all->n_fresh; i++)
                if (all->fresh[i].written)
                        log_error("task type paused", "type=%s lane=%s sqlstate=%s reason=" LOG_Q,
                                  all->fresh[i].type->full_name, lane_name(p->o->lane),
                                  *all->fresh[i].why.code ? all->fresh[i].why.code : "none",
                                  all->fresh[i].why.text);
        pauses_committed(all);
}

void pump_note_notices(struct pump *p)
{
        size_t n;
        for (const struct notice *x;
             (x = notices_next(&p->transactor.notices, monotonic_ms(), &n));)
                log_info("statement raised notices", "type=%s lane=%s count=%zu first=" LOG_Q,
                         x->type->full_name, lane_name(p->o->lane), n, x->first);
}

static int claim_try(struct pump *p, int type_no, struct db_result **ret, struct err *e)
{
        struct db_params *q = p->transactor.params;
        db_params_reset(q);
        db_add_int4(q, type_no);
        db_add_int8(q, p->o->service->retry.pause_base_ms);
        db_add_int8(q, p->o->service->retry.pause_max_ms);
        return db_query(p->db, sql_paused_type_try, q, ret, e);
}

/* The tasks that failed, as the batch's entries; those that would not be given to the statement any
 * more are left out. */
static int read_samples(struct pump *p, const struct db_result *r, struct err *e)
{
        struct batch *b = &p->batch;
        batch_reset(b);
        struct span rest = db_span(r, 0, 0);
        b->entries = arena_alloc(b->arena, PAUSE_SAMPLES * sizeof *b->entries);
        if (!b->entries)
                return err_oom(e);
        while (rest.len && b->n < PAUSE_SAMPLES) {
                struct entry *en = &b->entries[b->n++];
                *en = (struct entry){ .offset = (int64_t)b->n };
                size_t len = strcspn(rest.ptr, ",");
                if (recover_from_hex(b->arena, (struct span){ rest.ptr, len }, &en->value) < 0)
                        return err_oom(e);
                if (pump_decode(p, en, monotonic_ms(), e) < 0)
                        return -1;
                size_t skip = len < rest.len ? len + 1 : len;
                rest = (struct span){ rest.ptr + skip, rest.len - skip };
        }
        return batch_divide(b, ENTRY_READY, e);
}

/* The statement without any task; then, if such tasks have failed, each of them: one that succeeds
 * is enough. 0 it works; 1 it does not: `why`. */
static int try_statement(struct pump *p, const struct task_type *t, int type_no, struct err *why,
                         struct err *e)
{
        struct transactor *x = &p->transactor;
        struct unit none = { .type = t, .type_no = type_no };
        if (compose_all(x->composer, p->db, t, type_no, why) < 0) {
                *e = *why;
                return db_alive(p->db) && !db_server_state(why) ? 1 : -1;
        }
        x->at = instant_now();
        if (db_exec(p->db, "begin", e) < 0)
                return -1;
        int rc = transact_try(x, &none, NULL, 0, why, e);
        bool worked = p->batch.n_units == 0;
        for (size_t i = 0; rc == 0 && !worked && i < p->batch.n_units; i++)
                for (size_t k = 0; !worked && k < p->batch.units[i].n; k++) {
                        int one = transact_try(x, &p->batch.units[i], &p->batch.units[i].list[k], 1,
                                               why, e);
                        if (one < 0)
                                return -1;
                        worked = one == 0;
                }
        if (rc < 0 || db_exec(p->db, "rollback", e) < 0)
                return -1;
        return rc == 0 && worked ? 0 : 1;
}

static int note_try(struct pump *p, const struct task_type *t, int type_no, const struct err *why,
                    struct err *e)
{
        struct db_params *q = p->transactor.params;
        db_params_reset(q);
        db_add_int4(q, type_no);
        if (why) {
                db_add_str(q, why->text);
                db_add_str(q, why->code);
        }
        if (db_query(p->db, why ? sql_paused_type_failed : sql_paused_type_resume, q, NULL, e) < 0)
                return -1;
        if (why)
                log_warn("task type still paused", "type=%s sqlstate=%s reason=" LOG_Q,
                         t->full_name, *why->code ? why->code : "none", why->text);
        else
                log_info("task type resumed", "type=%s by=rollcall", t->full_name);
        return 0;
}

static int try_type(struct pump *p, const struct task_type *t, int type_no, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct err why = ERR_INIT;
        if (claim_try(p, type_no, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return 0;
        int rc = read_samples(p, r, e);
        if (rc == 0)
                rc = try_statement(p, t, type_no, &why, e);
        batch_reset(&p->batch);
        return rc < 0 ? -1 : note_try(p, t, type_no, rc ? &why : NULL, e);
}

int pump_try_paused(struct pump *p, struct err *e)
{
        const struct pauses *all = &p->transactor.pauses;
        for (size_t i = 0; p->sources.n && i < all->n; i++) {
                const struct task_type *t = all->list[i].due
                                                    ? type_by_number(p->types, all->list[i].type_no)
                                                    : NULL;
                if (t && t->lane == p->o->lane && try_type(p, t, all->list[i].type_no, e) < 0)
                        return -1;
        }
        return 0;
}
