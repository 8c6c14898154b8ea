#include "held.h"

#include "model/held_state.h"
#include "transact_parts.h"
#include "worker_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- in the batch's transaction ---- */

static bool is_aside(const struct entry *en)
{
        return (en->state == ENTRY_DONE && en->unrecorded) || en->state == ENTRY_HELD ||
               (en->state == ENTRY_DONE && en->outcome == OUTCOME_QUARANTINED && !en->dry_run);
}

static bool is_resolved(const struct entry *en)
{
        return en->held && en->state == ENTRY_DONE && en->outcome != OUTCOME_QUARANTINED &&
               !en->unrecorded;
}

static enum held_state state_of(const struct entry *en)
{
        if (en->unknown && en->again && !en->behind)
                return HELD_UNKNOWN;
        if (en->unrecorded)
                return HELD_RECORD;
        if (en->behind)
                return en->again ? HELD_WAITING : HELD_BEHIND;
        return en->again ? HELD_RETRY : HELD_QUARANTINED;
}

enum held_column {
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

static void add_held(struct transactor *t, const struct entry *en, enum held_column column)
{
        const struct source *s = &t->sources->list[en->source];
        struct db_params *p = t->params;
        char delay[24], day[16];
        switch (column) {
        case H_SOURCE:
                return db_element_int(p, s->source_no);
        case H_OFFSET:
                return db_element_int(p, en->offset);
        case H_TOPIC:
                return db_element_text(p, span_of(s->topic));
        case H_SUBJECT:
                return db_element_text(p, en->task.subject);
        case H_STATE:
                return db_element_text(p, span_of(held_state_name(state_of(en))));
        case H_TASK:
                return db_element_uuid(p, &en->task.task_id);
        case H_DAY:
                run_day(en->run, day);
                return db_element_text(p, span_of(day));
        case H_RUN:
                return db_element_int(p, en->run ? en->run->run_no : 0);
        case H_TYPE:
                return db_element_int(p, en->type_no);
        case H_ITEM:
                return db_element_text(p, en->task.item.ptr ? en->task.item : SPAN_LIT(""));
        case H_TRIES:
                return db_element_int(p, en->unrecorded ? en->record_tries : en->tries);
        case H_DELAY:
                if (en->unrecorded) /* at least once */
                        snprintf(delay, sizeof delay, "%lld",
                                 (long long)retry_delay_ms(&t->retry, en->record_tries));
                else
                        snprintf(delay, sizeof delay, "%lld", (long long)en->delay_ms);
                return db_element_text(p, en->unrecorded || (en->again && !en->behind)
                                                  ? span_of(delay)
                                                  : (struct span){ 0 });
        case H_ERROR:
                return db_element_text(p, en->behind ? (struct span){ 0 } : en->reason);
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

static int set_aside(struct transactor *t, const struct batch *b, size_t n, struct err *e)
{
        static const enum db_type types[H_COLUMNS] = { DB_INT4, DB_INT8,  DB_TEXT,  DB_TEXT,
                                                       DB_TEXT, DB_UUID,  DB_TEXT,  DB_INT8,
                                                       DB_INT2, DB_TEXT,  DB_INT2,  DB_TEXT,
                                                       DB_TEXT, DB_BYTEA, DB_BYTEA, DB_TEXT };
        db_params_reset(t->params);
        for (int column = 0; column < H_COLUMNS; column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++)
                        if (is_aside(&b->entries[i]))
                                add_held(t, &b->entries[i], (enum held_column)column);
                db_array_end(t->params);
        }
        return db_query(t->db, sql_held_add, t->params, NULL, e);
}

static int forget(struct transactor *t, const struct batch *b, size_t n, struct err *e)
{
        db_params_reset(t->params);
        db_array_begin(t->params, DB_INT4, n);
        for (size_t i = 0; i < b->n; i++)
                if (is_resolved(&b->entries[i]))
                        db_element_int(t->params, t->sources->list[b->entries[i].source].source_no);
        db_array_end(t->params);
        db_array_begin(t->params, DB_INT8, n);
        for (size_t i = 0; i < b->n; i++)
                if (is_resolved(&b->entries[i]))
                        db_element_int(t->params, b->entries[i].offset);
        db_array_end(t->params);
        return db_query(t->db, sql_held_remove, t->params, NULL, e);
}

static bool may_wake(const struct entry *en)
{
        return is_resolved(en) || (en->held && en->unrecorded) ||
               (is_aside(en) && !en->again && !en->behind);
}

/* A pump's sources are all of one topic. */
static int wake(struct transactor *t, const struct batch *b, struct err *e)
{
        const char *topic = NULL;
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                if (may_wake(&b->entries[i])) {
                        topic = t->sources->list[b->entries[i].source].topic;
                        n++;
                }
        if (n == 0)
                return 0;
        db_params_reset(t->params);
        db_add_str(t->params, topic);
        db_array_begin(t->params, DB_TEXT, n);
        for (size_t i = 0; i < b->n; i++)
                if (may_wake(&b->entries[i]))
                        db_element_text(t->params, b->entries[i].task.subject);
        db_array_end(t->params);
        return db_query(t->db, sql_held_unblock, t->params, NULL, e);
}

int held_write(struct transactor *t, struct batch *b, struct err *e)
{
        size_t aside = 0, resolved = 0;
        for (size_t i = 0; i < b->n; i++) {
                aside += is_aside(&b->entries[i]);
                resolved += is_resolved(&b->entries[i]);
        }
        if (aside && set_aside(t, b, aside, e) < 0)
                return -1;
        if (resolved && forget(t, b, resolved, e) < 0)
                return -1;
        return aside || resolved ? wake(t, b, e) : 0;
}

bool held_wrote(const struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (is_aside(&b->entries[i]))
                        return true;
        return false;
}

static bool may_stand_behind(const struct entry *en)
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

int held_stand_behind(struct db *d, const char *topic, struct batch *b, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(64 * 1024 * 1024);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                n += may_stand_behind(&b->entries[i]);
        if (n == 0)
                return 0;
        if (!p)
                return err_oom(e);
        db_add_str(p, topic);
        db_array_begin(p, DB_TEXT, n);
        for (size_t i = 0; i < b->n; i++)
                if (may_stand_behind(&b->entries[i]))
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
                const struct first *f = may_stand_behind(en)
                                                ? bsearch(&en->task.subject, first, rows,
                                                          sizeof *first, compare_subjects)
                                                : NULL;
                if (!f)
                        continue;
                entry_stand_behind(en, f->quarantined);
                en->state = ENTRY_DECIDED;
        }
        return 0;
}

int held_look(struct db *d, const char *topic, const struct sources *sources, bool *ret_any,
              bool *ret_due, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(SOURCES_MAX * 16);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t n = 0;
        if (!p)
                return err_oom(e);
        for (size_t i = 0; i < sources->n; i++)
                n += sources->list[i].owned;
        db_add_str(p, topic);
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < sources->n; i++)
                if (sources->list[i].owned)
                        db_element_int(p, sources->list[i].source_no);
        db_array_end(p);
        if (db_prepare(d, "held_look", sql_held_look, e) < 0 ||
            db_run(d, "held_look", p, &r, e) < 0)
                return -1;
        *ret_any = db_bool(r, 0, 0);
        *ret_due = db_bool(r, 0, 1);
        return 0;
}

/* ---- what is due ---- */

enum { C_ACTION = RECOVER_COLUMNS, C_REQUESTED_BY, C_WAITED, C_LOCKED };

static int decide_due(const struct recovery *rec, struct batch *b, struct entry *en,
                      const struct db_result *r, int row, struct err *e)
{
        struct span action = db_span(r, row, C_ACTION);
        BUF_CLEANUP struct buf text;
        buf_init(&text, 1024);
        /* also when a replay has failed, and waits */
        en->replaces = en->replaces || en->outcome == OUTCOME_QUARANTINED;
        en->state = ENTRY_ACTED;
        en->locked = db_bool(r, row, C_LOCKED);
        if (span_is(action, "drop")) {
                en->outcome = OUTCOME_SKIPPED;
                buf_addf(&text, "dropped%s by %s", en->replaces ? " from quarantine" : "",
                         db_str(r, row, C_REQUESTED_BY));
                en->reason = arena_span(b->arena, (struct span){ buf_str(&text), text.len });
        } else if (span_is(action, "blocked")) {
                entry_stand_behind(en, true);
        } else if (en->run && en->run->state == RUN_CANCELLED) {
                en->outcome = OUTCOME_SKIPPED;
                en->reason = SPAN_LIT("run cancelled");
        } else if (!db_null(r, row, C_WAITED)) {
                entry_readmit(en, db_int(r, row, C_WAITED), rec->version_wait_ms, b->arena);
        } else if (!en->type) {
                en->outcome = OUTCOME_FAILED;
                en->reason = SPAN_LIT("unknown task type");
        } else {
                en->state = ENTRY_PENDING;
        }
        return en->reason.ptr || en->state == ENTRY_PENDING ? 0 : err_oom(e);
}

int held_due(struct recovery *rec, int index, struct batch *b, struct err *e)
{
        int n = recover_collect(rec, sql_held_due, index, 0, b, e);
        for (int i = 0; i < n; i++)
                if (decide_due(rec, b, &b->entries[i], b->results[0], i, e) < 0)
                        return -1;
        return n;
}

int held_wake_unknown(struct db *d, const struct source *s, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(64);
        if (!p)
                return err_oom(e);
        db_add_int4(p, s->source_no);
        return db_query(d, sql_held_wake_unknown, p, NULL, e);
}
