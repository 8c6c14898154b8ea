/* SPDX-License-Identifier: Apache-2.0 */
/* Parked tasks: what a batch parks, blocks and unblocks, and what is due. */
#include "parked.h"

#include "admit.h"
#include "model/held_state.h"
#include "task_params.h"
#include "worker_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- in the batch's transaction ---- */

/* Has this transaction parked it? */
static bool is_parked(const struct entry *en)
{
        return en->state == ENTRY_PARKED || (en->state == ENTRY_DONE && en->parked != PARKED_NOT);
}

static bool is_resolved(const struct entry *en)
{
        return en->was_parked && en->state == ENTRY_DONE && en->parked == PARKED_NOT;
}

static enum held_state state_of(enum parked parked)
{
        static const enum held_state states[] = {
                [PARKED_RETRY] = HELD_RETRY,
                [PARKED_UNKNOWN] = HELD_UNKNOWN,
                [PARKED_PAUSED] = HELD_RETRY,
                [PARKED_BLOCKED] = HELD_WAITING,
                [PARKED_QUARANTINED] = HELD_QUARANTINED,
                [PARKED_BLOCKED_BY_QUARANTINED] = HELD_BEHIND,
                [PARKED_RECORD] = HELD_RECORD,
        };
        return states[parked];
}

enum column {
        H_SOURCE,
        H_OFFSET,
        H_TOPIC,
        H_SUBJECT,
        H_STATE,
        H_TASK,
        H_DAY,
        H_RUN,
        H_TYPE,
        H_ITEM,
        H_TRIES,
        H_DELAY,
        H_ERROR,
        H_KEY,
        H_VALUE,
        H_LOCKED,
        H_COLUMNS
};

static bool is_blocked(const struct entry *en)
{
        return en->parked == PARKED_BLOCKED || en->parked == PARKED_BLOCKED_BY_QUARANTINED;
}

/* NULL: it is not due by itself. */
static void add_delay(struct transactor *t, const struct entry *en)
{
        char text[24];
        int64_t ms = en->delay_ms;
        if (en->parked == PARKED_RECORD) /* at least once */
                ms = retry_delay_ms(&t->retry, en->record_tries);
        snprintf(text, sizeof text, "%lld", (long long)ms);
        bool due = en->parked == PARKED_RECORD || (entry_waits(en) && !is_blocked(en));
        db_element_text(t->params, due ? span_of(text) : (struct span){ 0 });
}

static void add_parked(struct transactor *t, const struct entry *en, enum column column)
{
        const struct lane_partition *s = &t->partitions->list[en->partition];
        struct db_params *p = t->params;
        char day[16];
        switch (column) {
        case H_SOURCE:
                return db_element_int(p, s->at.source_no);
        case H_OFFSET:
                return db_element_int(p, en->offset);
        case H_TOPIC:
                return db_element_text(p, span_of(s->at.topic));
        case H_SUBJECT:
                return db_element_text(p, en->task.subject);
        case H_STATE:
                return db_element_text(p, span_of(held_state_name(state_of(en->parked))));
        case H_TASK:
                return db_element_uuid(p, &en->task.task_id);
        case H_DAY:
                task_params_run_day(en->run, day);
                return db_element_text(p, span_of(day));
        case H_RUN:
                return db_element_int(p, en->run ? en->run->run_no : 0);
        case H_TYPE:
                return db_element_int(p, en->type_no);
        case H_ITEM:
                return db_element_text(p, en->task.item.ptr ? en->task.item : SPAN_LIT(""));
        case H_TRIES:
                return db_element_int(p,
                                      en->parked == PARKED_RECORD ? en->record_tries : en->tries);
        case H_DELAY:
                return add_delay(t, en);
        case H_ERROR:
                return db_element_text(p, is_blocked(en) ? (struct span){ 0 } : en->reason);
        case H_KEY:
                return db_element_text(p, en->key);
        case H_VALUE:
                return db_element_text(p, en->value);
        case H_LOCKED:
                return db_element_text(p, en->locked ? SPAN_LIT("true") : SPAN_LIT("false"));
        case H_COLUMNS:
                break;
        }
}

static int add_rows(struct transactor *t, const struct batch *b, size_t n, struct err *e)
{
        static const enum db_type types[H_COLUMNS] = { DB_INT4, DB_INT8,  DB_TEXT,  DB_TEXT,
                                                       DB_TEXT, DB_UUID,  DB_TEXT,  DB_INT8,
                                                       DB_INT2, DB_TEXT,  DB_INT2,  DB_TEXT,
                                                       DB_TEXT, DB_BYTEA, DB_BYTEA, DB_TEXT };
        db_params_reset(t->params);
        for (int column = 0; column < H_COLUMNS; column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++)
                        if (is_parked(&b->entries[i]))
                                add_parked(t, &b->entries[i], (enum column)column);
                db_array_end(t->params);
        }
        return db_query(t->db, sql_held_add, t->params, NULL, e);
}

static int remove_rows(struct transactor *t, const struct batch *b, size_t n, struct err *e)
{
        db_params_reset(t->params);
        db_array_begin(t->params, DB_INT4, n);
        for (size_t i = 0; i < b->n; i++)
                if (is_resolved(&b->entries[i]))
                        db_element_int(t->params,
                                       t->partitions->list[b->entries[i].partition].at.source_no);
        db_array_end(t->params);
        db_array_begin(t->params, DB_INT8, n);
        for (size_t i = 0; i < b->n; i++)
                if (is_resolved(&b->entries[i]))
                        db_element_int(t->params, b->entries[i].offset);
        db_array_end(t->params);
        return db_query(t->db, sql_held_remove, t->params, NULL, e);
}

static bool may_unblock(const struct entry *en)
{
        return is_resolved(en) || (en->was_parked && en->parked == PARKED_RECORD) ||
               (is_parked(en) && (en->parked == PARKED_QUARANTINED || en->parked == PARKED_RECORD));
}

/* A worker thread's positions are all of one topic. */
static int unblock(struct transactor *t, const struct batch *b, struct err *e)
{
        const char *topic = NULL;
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                if (may_unblock(&b->entries[i])) {
                        topic = t->partitions->list[b->entries[i].partition].at.topic;
                        n++;
                }
        if (n == 0)
                return 0;
        db_params_reset(t->params);
        db_add_str(t->params, topic);
        db_array_begin(t->params, DB_TEXT, n);
        for (size_t i = 0; i < b->n; i++)
                if (may_unblock(&b->entries[i]))
                        db_element_text(t->params, b->entries[i].task.subject);
        db_array_end(t->params);
        return db_query(t->db, sql_held_unblock, t->params, NULL, e);
}

int parked_write(struct transactor *t, struct batch *b, struct err *e)
{
        size_t parked = 0, resolved = 0;
        for (size_t i = 0; i < b->n; i++) {
                parked += is_parked(&b->entries[i]);
                resolved += is_resolved(&b->entries[i]);
        }
        if (parked && add_rows(t, b, parked, e) < 0)
                return -1;
        if (resolved && remove_rows(t, b, resolved, e) < 0)
                return -1;
        return parked || resolved ? unblock(t, b, e) : 0;
}

bool parked_wrote(const struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (is_parked(&b->entries[i]))
                        return true;
        return false;
}

static bool may_be_blocked(const struct entry *en)
{
        return en->state == ENTRY_READY && !en->dry_run;
}

static int compare_subjects(const void *key, const void *at)
{
        return span_cmp(*(const struct span *)key, *(const struct span *)at);
}

struct first {
        struct span subject;
        bool quarantined;
};

int parked_block(struct db *d, const char *topic, struct batch *b, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(64 * 1024 * 1024);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                n += may_be_blocked(&b->entries[i]);
        if (n == 0)
                return 0;
        if (!p)
                return err_oom(e);
        db_add_str(p, topic);
        db_array_begin(p, DB_TEXT, n);
        for (size_t i = 0; i < b->n; i++)
                if (may_be_blocked(&b->entries[i]))
                        db_element_text(p, b->entries[i].task.subject);
        db_array_end(p);
        if (db_query(d, sql_held_first, p, &r, e) < 0)
                return -1;
        size_t rows = (size_t)db_rows(r);
        struct first *first = arena_alloc(b->arena, (rows + 1) * sizeof *first);
        if (!first)
                return err_oom(e);
        for (size_t i = 0; i < rows; i++) /* the column's collation is "C": sorted by bytes */
                first[i] = (struct first){ db_span(r, (int)i, 0), db_bool(r, (int)i, 1) };
        for (size_t i = 0; i < b->n; i++) {
                struct entry *en = &b->entries[i];
                const struct first *f = may_be_blocked(en)
                                                ? bsearch(&en->task.subject, first, rows,
                                                          sizeof *first, compare_subjects)
                                                : NULL;
                if (!f)
                        continue;
                entry_block(en, f->quarantined);
                en->state = ENTRY_DECIDED;
        }
        return 0;
}

int parked_look(struct db *d, const char *topic, const struct lane_partitions *partitions,
                bool *ret_any, bool *ret_due, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(LANE_PARTITIONS_MAX * 16);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t n = 0;
        if (!p)
                return err_oom(e);
        for (size_t i = 0; i < partitions->n; i++)
                n += lane_partition_is_owned(&partitions->list[i]);
        db_add_str(p, topic);
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < partitions->n; i++)
                if (lane_partition_is_owned(&partitions->list[i]))
                        db_element_int(p, partitions->list[i].at.source_no);
        db_array_end(p);
        if (db_prepare(d, "parked_look", sql_held_look, e) < 0 ||
            db_run(d, "parked_look", p, &r, e) < 0)
                return -1;
        *ret_any = db_bool(r, 0, 0);
        *ret_due = db_bool(r, 0, 1);
        return 0;
}

/* ---- what is due ---- */

enum { C_ACTION = RECOVER_COLUMNS, C_REQUESTED_BY, C_WAITED, C_LOCKED };

static int admit_due(const struct recovery *rec, struct batch *b, struct entry *en,
                     const struct db_result *r, int row, struct err *e)
{
        struct span action = db_span(r, row, C_ACTION);
        BUF_CLEANUP struct buf text;
        buf_init(&text, 1024);
        /* also when a replay has failed, and is retried */
        en->replaces = en->replaces || en->outcome == OUTCOME_QUARANTINED;
        en->state = ENTRY_ACTED;
        en->locked = db_bool(r, row, C_LOCKED);
        if (span_is(action, "drop")) {
                en->outcome = OUTCOME_SKIPPED;
                buf_addf(&text, "dropped%s by %s", en->replaces ? " from quarantine" : "",
                         db_str(r, row, C_REQUESTED_BY));
                en->reason = arena_span(b->arena, (struct span){ buf_str(&text), text.len });
        } else if (span_is(action, "blocked")) {
                entry_block(en, true);
        } else if (en->run && en->run->state == RUN_CANCELLED) {
                en->outcome = OUTCOME_SKIPPED;
                en->reason = SPAN_LIT("run cancelled");
        } else if (!db_null(r, row, C_WAITED)) {
                admit_parked(en, db_int(r, row, C_WAITED), rec->version_wait_ms, b->arena);
        } else if (!en->type) {
                en->outcome = OUTCOME_FAILED;
                en->reason = SPAN_LIT("unknown task type");
        } else {
                en->state = ENTRY_PENDING;
        }
        return en->reason.ptr || en->state == ENTRY_PENDING ? 0 : err_oom(e);
}

int parked_due(struct recovery *rec, int index, struct batch *b, struct err *e)
{
        int n = recover_collect(rec, sql_held_due, index, 0, b, e);
        for (int i = 0; i < n; i++)
                if (admit_due(rec, b, &b->entries[i], b->results[0], i, e) < 0)
                        return -1;
        return n;
}

int parked_retry_unknown(struct db *d, const struct lane_partition *s, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(64);
        if (!p)
                return err_oom(e);
        db_add_int4(p, s->at.source_no);
        return db_query(d, sql_held_wake_unknown, p, NULL, e);
}
