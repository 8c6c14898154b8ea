#include "held.h"

#include "transact_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- in the batch's transaction ---- */

#define PAUSED(h)                                                         \
        "exists (select from rollcall.paused_type z where z.type_no = " h \
        ".type_no and z.resumed_at is null) "
/* Later tasks of its subject wait behind it. Nobody waits for a paused type. */
#define IN_ORDER(h) \
        h ".state <> 'record' and (" h ".state in ('quarantined', 'behind') or not " PAUSED(h) ") "

static const char HELD_ADD[] =
        "insert into rollcall.held as h (source_no, src_offset, topic, subject, state, task_id, day, run_no, type_no, item, tries, due_at, errors, key, value) "
        "select source_no, src_offset, topic, subject, state, task_id, day::date, run_no, type_no, item, tries, now() + delay * interval '1 ms', "
        "case when error is null then '{}' else array[to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\" ') || error] end, key, value "
        "from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::bigint[], $9::smallint[], $10::text[], "
        "$11::smallint[], $12::text[]::bigint[], $13::text[], $14::bytea[], $15::bytea[]) with ordinality "
        "as u(source_no, src_offset, topic, subject, state, task_id, day, run_no, type_no, item, tries, delay, error, key, value, n) order by n "
        "on conflict (source_no, src_offset) do update set tries = excluded.tries, "
        /* asked for while the task was tried */
        "state = case when h.state = 'drop' then h.state else excluded.state end, "
        "due_at = case when h.state = 'drop' then now() else excluded.due_at end, "
        "errors = (h.errors || excluded.errors)[greatest(1, cardinality(h.errors || excluded.errors) - 19):], updated_at = now()";

static const char HELD_FORGET[] =
        "delete from rollcall.held h using unnest($1::int[], $2::bigint[]) as u(source_no, src_offset) "
        "where h.source_no = u.source_no and h.src_offset = u.src_offset";

/* The first of a subject whose predecessor is gone is due; and those that wait behind one that is
 * quarantined now: they are to be counted with it. */
static const char HELD_WAKE[] =
        "update rollcall.held h set due_at = now() from (select distinct on (f.subject) f.held_no, f.subject, f.state from rollcall.held f "
        "where f.topic = $1 and f.subject = any($2::text[]) and " IN_ORDER(
                "f") "order by f.subject, f.held_no) f "
                     "where h.topic = $1 and h.subject = f.subject and h.due_at is null and "
                     "(h.held_no = f.held_no and h.state in ('waiting', 'behind') or f.state = 'quarantined' and h.state = 'waiting')";

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

static struct span state_name(const struct entry *en)
{
        if (en->unknown && en->again && !en->behind)
                return SPAN_LIT("unknown");
        if (en->unrecorded)
                return SPAN_LIT("record");
        if (en->behind)
                return en->again ? SPAN_LIT("waiting") : SPAN_LIT("behind");
        return en->again ? SPAN_LIT("retry") : SPAN_LIT("quarantined");
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
                return db_element_text(p, state_name(en));
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
        case H_COLUMNS:
                break;
        }
}

static int set_aside(struct transactor *t, const struct batch *b, size_t n, struct err *e)
{
        static const enum db_type types[H_COLUMNS] = {
                DB_INT4, DB_INT8, DB_TEXT, DB_TEXT, DB_TEXT, DB_UUID,  DB_TEXT, DB_INT8,
                DB_INT2, DB_TEXT, DB_INT2, DB_TEXT, DB_TEXT, DB_BYTEA, DB_BYTEA
        };
        db_params_reset(t->params);
        for (int column = 0; column < H_COLUMNS; column++) {
                db_array_begin(t->params, types[column], n);
                for (size_t i = 0; i < b->n; i++)
                        if (is_aside(&b->entries[i]))
                                add_held(t, &b->entries[i], (enum held_column)column);
                db_array_end(t->params);
        }
        return db_query(t->db, HELD_ADD, t->params, NULL, e);
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
        return db_query(t->db, HELD_FORGET, t->params, NULL, e);
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
        return db_query(t->db, HELD_WAKE, t->params, NULL, e);
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

/* ---- before it ---- */

static const char FIRST_OF[] =
        "select distinct on (subject) subject, state in ('quarantined', 'behind') from rollcall.held h "
        "where topic = $1 and subject = any($2::text[]) and " IN_ORDER(
                "h") "order by subject, held_no";

static bool may_stand_behind(const struct entry *en)
{
        return en->state == ENTRY_READY && !en->dry_run;
}

static int compare_subjects(const void *key, const void *at)
{
        const struct span *a = key, *b = at;
        size_t len = a->len < b->len ? a->len : b->len;
        int c = memcmp(a->ptr, b->ptr, len);
        return c ? c : (a->len > b->len) - (a->len < b->len);
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
        if (db_query(d, FIRST_OF, p, &r, e) < 0)
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

static const char LOOK[] =
        "select exists (select from rollcall.held where topic = $1 and state <> 'record'), "
        "exists (select from rollcall.held h where source_no = any($2::int[]) and due_at <= now() and (state = 'drop' or not " PAUSED(
                "h") "))";

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
        if (db_prepare(d, "held_look", LOOK, e) < 0 || db_run(d, "held_look", p, &r, e) < 0)
                return -1;
        *ret_any = db_bool(r, 0, 0);
        *ret_due = db_bool(r, 0, 1);
        return 0;
}

/* ---- what is due ---- */

/* An outcome is replaced only when its event is known to be on the results topic. */
static const char DUE[] = RECOVER_ROWS_WITH(
        ", wish, requested_by, waited",
        RECOVER_FROM(
                "h.held_no", "coalesce(o.sequence, 0)",
                "case when h.state = 'waiting' then o.attempt else o.attempt + 1 end",
                "o.arguments",
                "h.tries") ", case when h.state = 'drop' then 'drop' when h.held_no <> f.held_no then 'behind' else 'try' end as wish, h.requested_by, "
                           "case when h.state = 'unknown' then (extract(epoch from now() - h.since) * 1000)::bigint end as waited "
                           "from rollcall.held h join rollcall.outcome o on o.day = h.day and o.source_no = h.source_no and o.src_offset = h.src_offset "
                           /* being acted upon: a matter of recover_intents, if that was broken off
                            */
                           "and (o.outcome < 0 or o.outcome = 3) and o.outcome <> -1 "
                           "join rollcall.position p on p.source_no = h.source_no join rollcall.task_type t on t.type_no = h.type_no left join rollcall.run r on r.run_no = o.run_no "
                           "cross join lateral (select f.held_no, f.state from rollcall.held f where f.topic = h.topic and f.subject = h.subject "
                           "and " IN_ORDER(
                                   "f") "order by f.held_no limit 1) f "
                                        "where h.source_no = $1::int and h.due_at <= now() and $2::bigint is not null and (o.outcome < 0 or o.sequence <= p.published) "
                                        "and (h.state = 'drop' or not " PAUSED(
                                                "h") ") "
                                                     "and (h.state = 'drop' or h.held_no = f.held_no or (f.state = 'quarantined' and o.outcome < 0)) order by place");

enum { C_WISH = RECOVER_COLUMNS, C_REQUESTED_BY, C_WAITED };

static int decide_due(const struct recovery *rec, struct batch *b, struct entry *en,
                      const struct db_result *r, int row, struct err *e)
{
        struct span wish = db_span(r, row, C_WISH);
        BUF_CLEANUP struct buf text;
        buf_init(&text, 1024);
        /* also when a replay has failed, and waits */
        en->replaces = en->replaces || en->outcome == OUTCOME_QUARANTINED;
        en->state = ENTRY_ACTED;
        if (span_is(wish, "drop")) {
                en->outcome = OUTCOME_SKIPPED;
                buf_addf(&text, "dropped%s by %s", en->replaces ? " from quarantine" : "",
                         db_str(r, row, C_REQUESTED_BY));
                en->reason = arena_span(b->arena, (struct span){ buf_str(&text), text.len });
        } else if (span_is(wish, "behind")) {
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
        int n = recover_collect(rec, DUE, index, 0, b, e);
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
        return db_query(
                d,
                "update rollcall.held set due_at = now() where source_no = $1::int and state = 'unknown'",
                p, NULL, e);
}
