#include "transact.h"

#include "base/failpoint.h"
#include "follow_ups.h"
#include "held.h"
#include "tally.h"
#include "transact_parts.h"
#include "worker_statements.h"

#include <string.h>

/* ---- follow-ups ---- */

struct uuid follow_up_id(const struct entry *en, struct span full_type)
{
        /* an ad-hoc task takes the place of the run: its follow-ups are as repeatable as it is */
        return task_id_of(en->run ? en->run->run_id : en->task.task_id, full_type, en->task.subject,
                          en->task.item);
}

/* `name` stands in the list before: an effect may name a type twice, but there is one task of that
 * id. */
static bool named_before(struct span list, const char *name, size_t len)
{
        for (const char *at = list.ptr; at < name;) {
                const char *comma = memchr(at, ',', (size_t)(name - at));
                size_t n = (size_t)(comma - at); /* a comma stands before `name` */
                if (n == len && memcmp(at, name, len) == 0)
                        return true;
                at = comma + 1;
        }
        return false;
}

void follow_ups_each(const struct entry *en,
                     void (*fn)(void *ctx, const struct entry *en, struct span name), void *ctx)
{
        if (en->outcome != OUTCOME_APPLIED || en->dry_run)
                return;
        struct span rest = en->follow_ups;
        while (rest.len) {
                const char *comma = memchr(rest.ptr, ',', rest.len);
                size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
                if (!named_before(en->follow_ups, rest.ptr, len))
                        fn(ctx, en, (struct span){ rest.ptr, len });
                size_t skip = comma ? len + 1 : len;
                rest = (struct span){ rest.ptr + skip, rest.len - skip };
        }
}

enum { WARY_BATCHES = 64 };

/* ---- one unit ---- */

static int unit_params(struct transactor *t, const struct composed *c, const struct unit *u,
                       struct entry **list, size_t n, struct err *e)
{
        struct run_values v = {
                .now = u->run ? u->run->scheduled_at : INSTANT_NONE,
                .run_id = u->run ? u->run->run_id : (struct uuid){ { 0 } },
                .actor = u->run ? u->run->requested_by : "",
                .dry_run = u->dry_run,
                .pack = u->type->pack,
        };
        struct arena *scratch CLEANUP(arena_cleanup) = u->run ? NULL : arena_new(1024 * 1024);
        struct setting_value *settings = NULL;
        const struct run *run = u->run ? u->run : u->about;
        struct span actor = n ? list[0]->task.actor : (struct span){ 0 };
        if (!u->run && (!scratch ||
                        !(v.actor = arena_strndup(scratch, actor.ptr ? actor.ptr : "", actor.len))))
                return err_oom(e);
        if (run) {
                v.settings = run->settings;
                v.n_settings = run->n_settings;
        } else {
                if (settings_resolve(u->type->pack, NULL, NULL, 0, scratch, &settings,
                                     &v.n_settings, e) < 0)
                        return -1;
                v.settings = settings;
        }
        db_params_reset(t->params);
        return compose_params(c, u, list, n, t->sources, &v, t->params, e);
}

int transact_composed(struct transactor *t, const struct unit *u, enum variant v,
                      const struct composed **ret, struct err *e)
{
        if (!u->run && (v == VARIANT_RUN || v == VARIANT_FRESH))
                v = VARIANT_ADHOC;
        return compose(t->composer, t->db, u->type, u->type_no, v, ret, e);
}

int transact_row(const struct unit *u, struct entry **list, size_t n, const struct db_result *r,
                 int row, struct entry **ret, int64_t *ret_outcome, struct err *e)
{
        int64_t number = db_int(r, row, COLUMN_N), outcome = db_int(r, row, COLUMN_OUTCOME);
        bool acts = u->type->action != ACTION_SQL;
        bool known = outcome == (acts ? LEDGER_PENDING : OUTCOME_APPLIED) ||
                     outcome == OUTCOME_SKIPPED || outcome == OUTCOME_FAILED;
        if (db_null(r, row, COLUMN_N) || number < 1 || (size_t)number > n || (size_t)db_rows(r) > n)
                return err_set(e, ERR_FATAL, "", "%s: a result row without its task",
                               u->type->statement.path);
        if (db_null(r, row, COLUMN_OUTCOME) || !known)
                return err_set(e, ERR_FATAL, "", "%s: a result row with the unknown outcome \"%s\"",
                               u->type->statement.path, db_str(r, row, COLUMN_OUTCOME));
        *ret = list[number - 1];
        *ret_outcome = outcome;
        return 0;
}

static void read_row(const struct unit *u, struct entry *en, int64_t outcome,
                     const struct db_result *r, int row)
{
        en->reason = db_span(r, row, COLUMN_REASON);
        en->before = db_span(r, row, COLUMN_BEFORE);
        en->after = db_span(r, row, COLUMN_AFTER);
        en->follow_ups = db_span(r, row, COLUMN_FOLLOW_UPS);
        en->outcome = outcome < 0 ? OUTCOME_APPLIED : (enum outcome)outcome;
        en->state = u->dry_run ? ENTRY_DECIDED : outcome < 0 ? ENTRY_PENDING : ENTRY_DONE;
        en->row_of = outcome < 0 ? r : NULL;
        en->row = row;
        if (u->dry_run && outcome < 0)
                en->reason = SPAN_LIT("would be done");
}

/* Rows name their entries by number; who has no row had an outcome before. Takes the result. */
static int read_unit(struct batch *b, const struct unit *u, struct entry **list, size_t n,
                     struct db_result *r, struct err *e)
{
        if (batch_keep(b, r, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                list[i]->state = ENTRY_REPEATED;
        for (int row = 0; row < db_rows(r); row++) {
                struct entry *en = NULL;
                int64_t outcome = 0;
                if (transact_row(u, list, n, r, row, &en, &outcome, e) < 0)
                        return -1;
                read_row(u, en, outcome, r, row);
        }
        return 0;
}

enum unit_end transact_unit_end(const struct unit *u)
{
        return !u->dry_run ? UNIT_KEEP : u->run ? UNIT_REHEARSE : UNIT_UNDO;
}

/* Outside of the savepoint: what is remembered must outlive it. */
static const char TOUCHED_BEFORE[] =
        "select set_config('rollcall.touched', rollcall.touched_now()::text, true)";
static const char TOUCHED_AFTER[] = "select rollcall.note_touched($1, $2::smallint)";

static int queue_touched(struct transactor *t, const struct unit *u, struct err *e)
{
        db_params_reset(t->params);
        db_add_int8(t->params, u->run->run_no);
        db_add_int4(t->params, u->type_no);
        return db_pipeline_query(t->db, TOUCHED_AFTER, t->params, e);
}

int transact_queue_unit(struct transactor *t, const struct unit *u, const struct composed *c,
                        struct entry **list, size_t n, enum unit_end end, struct err *e)
{
        if (end == UNIT_REHEARSE && db_pipeline_query(t->db, TOUCHED_BEFORE, NULL, e) < 0)
                return -1;
        if (db_pipeline_query(t->db, "savepoint unit", NULL, e) < 0)
                return -1;
        db_params_reset(t->params);
        db_add_str(t->params, u->type->pack->search_path);
        if (db_pipeline_query(t->db, "select set_config('search_path', $1, true)", t->params, e) <
            0)
                return -1;
        if (unit_params(t, c, u, list, n, e) < 0 ||
            db_pipeline_run(t->db, c->name, t->params, e) < 0)
                return -1;
        if (end != UNIT_KEEP && db_pipeline_query(t->db, "rollback to savepoint unit", NULL, e) < 0)
                return -1;
        if (db_pipeline_query(t->db, "release savepoint unit", NULL, e) < 0)
                return -1;
        return end == UNIT_REHEARSE ? queue_touched(t, u, e) : 0;
}

int transact_take_unit(struct transactor *t, enum unit_end end, struct db_result **ret,
                       struct err *e)
{
        struct err later = ERR_INIT;
        struct db_result *r = NULL;
        int before = end == UNIT_REHEARSE ? 3 : 2,
            after = end == UNIT_REHEARSE ? 3
                    : end == UNIT_UNDO   ? 2
                                         : 1,
            rc = 0;
        for (int i = 0; i < before + 1 + after; i++)
                if (db_pipeline_result(t->db, i == before ? &r : NULL, rc < 0 ? &later : e) < 0)
                        rc = -1;
        if (rc < 0)
                db_result_free(r);
        else
                *ret = r;
        return rc;
}

static int decided_by_statement(struct transactor *t, struct batch *b, const struct unit *u,
                                struct entry **list, size_t n, struct db_result *r,
                                const struct err *poison, struct err *e)
{
        if (!poison)
                return read_unit(b, u, list, n, r, e);
        for (size_t i = 0; i < n; i++) {
                entry_fail(list[i], &t->retry, arena_span(b->arena, span_of(poison->text)));
                list[i]->state = ENTRY_DECIDED;
        }
        return 0;
}

int transact_give_up(struct transactor *t, struct err *e)
{
        if (!is_too_large(e) || !db_alive(t->db))
                return -1;
        return db_exec(t->db, "rollback", e) < 0 ? -1 : TRANSACT_TOO_LARGE;
}

/* ---- decide: the whole transaction ---- */

int transact_queue_begin(struct transactor *t, size_t *ret_rows, struct err *e)
{
        if (db_pipeline_query(t->db, "begin", NULL, e) < 0)
                return -1;
        /* a deferred constraint must fail with its own statement, not at the commit of everybody's
         * work */
        if (db_pipeline_query(t->db, "set constraints all immediate", NULL, e) < 0)
                return -1;
        db_params_reset(t->params);
        *ret_rows = source_move_params(t->sources, t->params);
        return db_pipeline_run(t->db, "position_move", t->params, e);
}

int transact_take_begin(struct transactor *t, size_t rows, bool *ret_fenced, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_pipeline_result(t->db, NULL, e) < 0 || db_pipeline_result(t->db, NULL, e) < 0 ||
            db_pipeline_result(t->db, &r, e) < 0)
                return -1;
        *ret_fenced = (size_t)db_rows(r) != rows;
        if (db_rows(r) > 0)
                t->at = db_instant(r, 0, 0);
        return 0;
}

/* Units [from, n) in one pipeline, with `opening` after the transaction's first statements. Gives
 * the first unit that failed, or n. */
static int run_units(struct transactor *t, struct batch *b, size_t from, bool opening,
                     const struct composed **composed, bool *ret_fenced, size_t *ret_failed,
                     struct err *poison, struct err *e)
{
        struct err large = ERR_INIT;
        size_t rows = 0, dead = opening ? batch_count(b, ENTRY_DEAD) : 0;
        if (db_pipeline_begin(t->db, e) < 0 || (opening && transact_queue_begin(t, &rows, e) < 0))
                return -1;
        if (dead) {
                transact_dead_letter_params(t, b, dead);
                if (db_pipeline_query(t->db, sql_dead_letters_add, t->params, e) < 0)
                        return -1;
        }
        for (size_t i = from; i < b->n_units; i++) {
                const struct unit *u = &b->units[i];
                if (u->n && transact_queue_unit(t, u, composed[i], u->list, u->n,
                                                transact_unit_end(u), e) < 0)
                        return -1;
        }
        if (db_pipeline_sync(t->db, e) < 0 ||
            (opening && transact_take_begin(t, rows, ret_fenced, e) < 0))
                return -1;
        if (dead && db_pipeline_result(t->db, NULL, e) < 0)
                return -1;
        *ret_failed = b->n_units;
        for (size_t i = from; i < b->n_units; i++) {
                struct db_result *r = NULL;
                struct err ignored = ERR_INIT;
                if (b->units[i].n == 0) /* passed over */
                        continue;
                if (transact_take_unit(t, transact_unit_end(&b->units[i]), &r,
                                       *ret_failed < b->n_units ? &ignored : poison) < 0) {
                        *ret_failed = i < *ret_failed ? i : *ret_failed;
                } else if (large.class != ERR_NONE) {
                        db_result_free(r);
                } else if (read_unit(b, &b->units[i], b->units[i].list, b->units[i].n, r, e) < 0) {
                        if (!is_too_large(e))
                                return -1;
                        large = *e;
                }
                transact_note_notices(t, &b->units[i]);
        }
        if (db_pipeline_finish_sync(t->db, e) < 0 || db_pipeline_end(t->db, e) < 0)
                return -1;
        *e = large;
        return large.class == ERR_NONE ? 0 : -1;
}

static int compose_units(struct transactor *t, const struct batch *b, size_t from, enum variant v,
                         const struct composed **composed, struct err *e)
{
        for (size_t i = from; i < b->n_units; i++)
                if (b->units[i].n && transact_composed(t, &b->units[i], v, &composed[i], e) < 0)
                        return -1;
        return 0;
}

static int run_all_units(struct transactor *t, struct batch *b, bool *ret_fenced, struct err *e)
{
        const struct composed **composed = arena_alloc(b->arena, (b->n_units + 1) *
                                                                         sizeof(struct composed *));
        if (!composed)
                return err_oom(e);
        if (compose_units(t, b, 0, t->wary ? VARIANT_RUN : VARIANT_FRESH, composed, e) < 0)
                return -1;
        bool opening = true;
        for (size_t from = 0;;) {
                struct err poison = ERR_INIT;
                size_t failed = 0;
                if (run_units(t, b, from, opening, composed, ret_fenced, &failed, &poison, e) < 0)
                        return -1;
                opening = false;
                if (*ret_fenced || failed == b->n_units)
                        return 0;
                struct unit *u = &b->units[failed];
                if (transact_undo_unit(t, &poison, u->n, e) < 0)
                        return -1;
                /* it may have been a repetition */
                if (!t->wary && u->run && strcmp(poison.code, "55P03") != 0) {
                        t->wary = WARY_BATCHES;
                        if (compose_units(t, b, failed, VARIANT_RUN, composed, e) < 0)
                                return -1;
                        from = failed;
                        continue;
                }
                transact_begin_unit(t);
                if (transact_bisect(t, b, u, VARIANT_RUN, u->list, u->n, decided_by_statement,
                                    &poison, e) < 0)
                        return -1;
                transact_end_unit(t, b, failed, true);
                batch_stand_behind(b, failed);
                from = failed + 1;
                if (from == b->n_units)
                        return 0;
        }
}

/* ---- ends ---- */

int transact_commit(struct transactor *t, struct batch *b, struct err *e)
{
        struct tallies tallies = { 0 };
        if (transact_claim_shared(t, b, e) < 0 || transact_note_recounts(t, b, e) < 0)
                return -1;
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DONE &&
                    tally_add(&tallies, &b->entries[i], b->arena) < 0)
                        return err_oom(e);
        if (db_pipeline_begin(t->db, e) < 0)
                return -1;
        if (tallies.n) {
                db_params_reset(t->params);
                tally_params(&tallies, t->sources, t->params);
                if (db_pipeline_run(t->db, "progress_add", t->params, e) < 0)
                        return -1;
        }
        size_t follow_ups = follow_ups_count(b);
        if (follow_ups) {
                follow_ups_params(b, follow_ups, t->params);
                if (db_pipeline_query(t->db, sql_follow_ups_request, t->params, e) < 0)
                        return -1;
        }
        if (db_pipeline_query(t->db, "commit", NULL, e) < 0 || db_pipeline_sync(t->db, e) < 0)
                return -1;
        if (tallies.n && db_pipeline_result(t->db, NULL, e) < 0)
                return -1;
        if (follow_ups && db_pipeline_result(t->db, NULL, e) < 0)
                return -1;
        if (db_pipeline_result(t->db, NULL, e) < 0 || db_pipeline_finish_sync(t->db, e) < 0 ||
            db_pipeline_end(t->db, e) < 0)
                return -1;
        source_moved(t->sources);
        t->conflicts = 0;
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DONE || b->entries[i].state == ENTRY_DEAD)
                        b->entries[i].at = t->at;
        return 0;
}

int transact_prepare(struct transactor *t, struct err *e)
{
        return db_prepare(t->db, "position_move", sql_position_move, e) < 0
                       ? -1
                       : db_prepare(t->db, "progress_add", sql_progress_add, e);
}

int transact_decide(struct transactor *t, struct batch *b, struct err *e)
{
        bool fenced = false;
        t->wary -= t->wary > 0;
        transact_locks(t, LOCKS_MS);
        if (transact_prepare(t, e) < 0 || transact_number_unknown_types(t, b, e) < 0 ||
            transact_drop_large_originals(b, e) < 0 || transact_ready_units(t, b, e) < 0)
                return -1;
        if (run_all_units(t, b, &fenced, e) < 0)
                return transact_give_up(t, e);
        if (fenced)
                return db_exec(t->db, "rollback", e) < 0 ? -1 : 1;
        if (transact_write_decided(t, b, e) < 0 || transact_refuse_reused(t, b, e) < 0 ||
            held_write(t, b, e) < 0 || transact_write_pauses(t, b, e) < 0)
                return -1;
        if (t->also && t->also(t->also_ctx, b, e) < 0)
                return -1;
        FAILPOINT("decide.uncommitted");
        return transact_commit(t, b, e);
}

int transact_mark(struct transactor *t, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (transact_prepare(t, e) < 0)
                return -1;
        db_params_reset(t->params);
        size_t rows = source_move_params(t->sources, t->params);
        if (rows == 0)
                return 0;
        FAILPOINT("mark.unwritten");
        if (db_run(t->db, "position_move", t->params, &r, e) < 0)
                return -1;
        if ((size_t)db_rows(r) != rows)
                return 1;
        FAILPOINT("mark.written");
        source_moved(t->sources);
        return 0;
}
