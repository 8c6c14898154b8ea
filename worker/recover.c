/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the ledger as entries of a batch. */
#include "recover.h"
#include "worker_statements.h"

#include "base/hex.h"

#include <string.h>

enum {
        C_OFFSET,
        C_SEQUENCE,
        C_OUTCOME,
        C_ATTEMPT,
        C_DRY_RUN,
        C_SUBJECT,
        C_ITEM,
        C_REASON,
        C_BEFORE,
        C_AFTER,
        C_FOLLOW_UPS,
        C_TASK_ID,
        C_ACTOR,
        C_ARGUMENTS,
        C_AT,
        C_TYPE,
        C_RUN_ID,
        C_TYPE_NO,
        C_KEY,
        C_VALUE,
        C_REPLACES,
        C_TRIES,
        C_N_FOUND,
        C_END,
};
enum { DEAD_LETTER = -3 }; /* instead of an outcome: see recover_outcomes.sql */
_Static_assert(0 + C_END == 0 + RECOVER_COLUMNS, "recover.h counts the columns");

int recover_from_hex(struct arena *a, struct span hex, struct span *ret)
{
        if (!hex.ptr)
                return 0;
        char *p = arena_alloc(a, hex.len / 2 + 1);
        if (!p)
                return -1;
        for (size_t i = 0; i + 1 < hex.len; i += 2)
                p[i / 2] = (char)(hex_value(hex.ptr[i]) << 4 | hex_value(hex.ptr[i + 1]));
        *ret = (struct span){ p, hex.len / 2 };
        return 0;
}

static int read_arguments(struct batch *b, struct entry *en, struct span json, struct err *e)
{
        struct setting_value *list = NULL;
        size_t n = 0;
        if (!json.ptr)
                return 0;
        if (settings_from_json(json, b->arena, &list, &n, e) < 0)
                return -1;
        en->task.arguments = arena_alloc(b->arena, (n + 1) * sizeof *en->task.arguments);
        if (!en->task.arguments)
                return err_oom(e);
        for (size_t i = 0; i < n; i++)
                en->task.arguments[i] = (struct argument){ span_of(list[i].name),
                                                           span_of(list[i].value) };
        en->task.n_arguments = n;
        return 0;
}

static int read_identity(struct recovery *rec, struct batch *b, struct entry *en,
                         const struct db_result *r, int row, struct err *e)
{
        en->type = packs_type(rec->packs, db_span(r, row, C_TYPE));
        en->type_no = (int)db_int(r, row, C_TYPE_NO);
        en->task.type = db_span(r, row, C_TYPE);
        en->task.subject = db_span(r, row, C_SUBJECT);
        en->task.item = db_span(r, row, C_ITEM);
        en->task.actor = db_span(r, row, C_ACTOR);
        if (en->type && en->type->subject_type == VALUE_INTEGER)
                en->subject_int = db_int(r, row, C_SUBJECT);
        if (db_null(r, row, C_RUN_ID)) {
                en->task.task_id = db_uuid(r, row, C_TASK_ID);
                if (run_cache_about(rec->runs, rec->db, en->type, en->task.subject, monotonic_ms(),
                                    &en->about, e) < 0)
                        return -1;
                return read_arguments(b, en, db_span(r, row, C_ARGUMENTS), e);
        }
        en->task.run_id = db_uuid(r, row, C_RUN_ID);
        en->task.task_id = task_id_of(en->task.run_id, en->task.type, en->task.subject,
                                      en->task.item);
        int rc = run_cache_get(rec->runs, rec->db, en->task.run_id, monotonic_ms(), &en->run, e);
        return rc == 1 ? err_set(e, ERR_FATAL, "", "an outcome's run is not in rollcall.run") : rc;
}

static int read_entry(struct recovery *rec, int index, struct batch *b, const struct db_result *r,
                      int row, struct err *e)
{
        struct entry *en = &b->entries[b->n++];
        int64_t outcome = db_int(r, row, C_OUTCOME);
        *en = (struct entry){
                .state = outcome == DEAD_LETTER ? ENTRY_DEAD
                         : outcome < 0          ? ENTRY_PENDING
                                                : ENTRY_DONE,
                .partition = index,
                .epoch = rec->partitions->list[index].at.epoch,
                .offset = db_int(r, row, C_OFFSET),
                .sequence = db_int(r, row, C_SEQUENCE),
                .outcome = outcome < 0 ? OUTCOME_UNKNOWN : (enum outcome)outcome,
                .attempt = (int)db_int(r, row, C_ATTEMPT),
                .dry_run = db_bool(r, row, C_DRY_RUN),
                .reason = db_span(r, row, C_REASON),
                .before = db_span(r, row, C_BEFORE),
                .after = db_span(r, row, C_AFTER),
                .follow_ups = db_span(r, row, C_FOLLOW_UPS),
                .at = db_instant(r, row, C_AT),
                .replaces = !db_null(r, row, C_REPLACES),
                .was_parked = !db_null(r, row, C_TRIES),
                .tries = (int)db_int(r, row, C_TRIES),
        };
        if (en->state != ENTRY_DEAD && read_identity(rec, b, en, r, row, e) < 0)
                return -1;
        if (recover_from_hex(b->arena, db_span(r, row, C_KEY), &en->key) < 0 ||
            recover_from_hex(b->arena, db_span(r, row, C_VALUE), &en->value) < 0)
                return err_oom(e);
        return 0;
}

int recover_collect(struct recovery *rec, const char *sql, int index, int64_t after,
                    struct batch *b, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(1024);
        struct db_result *r = NULL;
        struct lane_partition *x = &rec->partitions->list[index];
        size_t most = x->rows ? x->rows : RECOVER_MAX;
        if (!p)
                return err_oom(e);
        db_add_int4(p, x->at.source_no);
        db_add_int8(p, after);
        db_add_int8(p, (int64_t)most);
        db_add_int8(p, RECOVER_BYTES);
        if (db_query(rec->db, sql, p, &r, e) < 0 || batch_keep(b, r, e) < 0)
                return -1;
        size_t n = (size_t)db_rows(r), found = n ? (size_t)db_int(r, 0, C_N_FOUND) : 0;
        b->entries = arena_alloc(b->arena, (n + 1) * sizeof *b->entries);
        if (!b->entries)
                return err_oom(e);
        for (size_t row = 0; row < n; row++)
                if (read_entry(rec, index, b, r, (int)row, e) < 0)
                        return -1;
        /* Rows that are left out for their size have been read for nothing: the next time fewer
         * are requested. */
        recover_limit(rec, index, n < found || n == most ? 2 * n : most);
        return (int)n;
}

void recover_limit(struct recovery *rec, int index, size_t rows)
{
        rec->partitions->list[index].rows = rows < 1 ? 1 : rows > RECOVER_MAX ? RECOVER_MAX : rows;
}

int recover_outcomes(struct recovery *rec, int index, int64_t after, struct batch *b,
                     int64_t *ret_last, struct err *e)
{
        int n = recover_collect(rec, sql_recover_outcomes, index, after, b, e);
        if (n > 0)
                *ret_last = b->entries[n - 1].sequence;
        return n;
}

int recover_intents(struct recovery *rec, int index, struct batch *b, struct err *e)
{
        return recover_collect(rec, sql_recover_intents, index, 0, b, e);
}
