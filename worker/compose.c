#include "compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_MAX = 2 * 1024 * 1024, ARGUMENTS_JSON_MAX = 1024 * 1024, FIRST_ARGUMENT = 11 };

struct shape { /* which optional columns a type's effect has */
        bool known, reason, before, after, follow_ups;
};

struct composer {
        struct slot {
                const struct task_type *type;
                struct shape shape;
                struct composed variants[VARIANT_COUNT];
        } **slots;
        size_t n;
};

struct composer *composer_new(void)
{
        return calloc(1, sizeof(struct composer));
}

void composer_free(struct composer *c)
{
        if (!c)
                return;
        for (size_t i = 0; i < c->n; i++) {
                for (int v = 0; v < VARIANT_COUNT; v++) {
                        free(c->slots[i]->variants[v].sql);
                        bound_sql_deinit(&c->slots[i]->variants[v].bound);
                }
                free(c->slots[i]);
        }
        free(c->slots);
        free(c);
}

static struct slot *slot_of(struct composer *c, const struct task_type *type)
{
        for (size_t i = 0; i < c->n; i++)
                if (c->slots[i]->type == type)
                        return c->slots[i];
        struct slot **list = reallocarray(c->slots, c->n + 1, sizeof *list);
        if (list)
                c->slots = list;
        struct slot *s = list ? calloc(1, sizeof *s) : NULL;
        if (!s)
                return NULL;
        s->type = type;
        return c->slots[c->n++] = s;
}

/* ---- batch -------------------------------------------------------------------------------------------------------------------------- */

/*
 * $1 subjects, $2 items, $3 source numbers, $4 offsets, $5 sequences, $6 task ids, $7 actors, $8 day, $9 run number, $10 arguments as JSON, then the
 * arguments. What only the ledger wants ($3 to $6) is taken by subscript where it is inserted, which costs less than to carry it through every step.
 * Arrays may be short: no items are '', and a run's actor stands once.
 */
static void add_batch(const struct task_type *t, int type_no, enum variant v, struct buf *out)
{
        bool of_run = v == VARIANT_FRESH || v == VARIANT_RUN;
        buf_addf(out, "with batch as materialized (select u.n as _n, u.subject, coalesce(u.item, '') as item, %s as actor%s%s",
                 of_run ? "($7::text[])[1]" : "coalesce(u.actor, ($7::text[])[1])", v == VARIANT_ADHOC ? ", u.arguments::jsonb as _arguments" : "",
                 v == VARIANT_RECORD ? ", now() as sent_at" : "");
        for (size_t i = 0; i < t->n_arguments; i++)
                buf_addf(out, ", u.argument%zu::%s as %s", i, value_sql_type(t->arguments[i].type), t->arguments[i].name);
        buf_addf(out, " from unnest($1::%s[], $2::text[]%s%s", value_sql_type(t->subject_type), of_run ? "" : ", $7::text[]",
                 v == VARIANT_ADHOC ? ", $10::text[]" : "");
        for (size_t i = 0; i < t->n_arguments; i++)
                buf_addf(out, ", $%zu::text[]", FIRST_ARGUMENT + i);
        buf_addf(out, ") with ordinality as u(subject, item%s%s", of_run ? "" : ", actor", v == VARIANT_ADHOC ? ", arguments" : "");
        for (size_t i = 0; i < t->n_arguments; i++)
                buf_addf(out, ", argument%zu", i);
        /* names each parameter, so that all variants have the same */
        buf_adds(out, ", n) where $3::int[] is not null and $4::bigint[] is not null and $5::bigint[] is not null and $6::uuid[] is not null "
                      "and $7::text[] is not null and $8::date is not null and $9::bigint is not null and $10::text[] is not null");
        if (v == VARIANT_RUN)
                buf_addf(out,
                         " and not exists (select from rollcall.outcome o where o.day = $8::date and o.run_no = $9::bigint and o.type_no = %d "
                         "and octet_length(o.subject) = octet_length(u.subject::text) and o.subject = u.subject::text and o.item = coalesce(u.item, ''))",
                         type_no);
        else if (v == VARIANT_ADHOC)
                buf_adds(out, " and not exists (select from rollcall.outcome_adhoc o where o.task_id = ($6::uuid[])[u.n])");
        buf_adds(out, "),\n");
}

/* ---- effect ------------------------------------------------------------------------------------------------------------------------- */

/* Reports and files act on nobody's rows: their effect is to be done. */
static const struct sql_file do_it = { (char *)"(built in)", (char *)"effect as (select subject, 'send' as outcome from batch)" };

static const struct sql_file *statement_of(const struct task_type *t)
{
        return t->statement.text ? &t->statement : &do_it;
}

static int bind(const struct sql_file *f, const struct task_type *t, struct bound_sql *ret, struct err *e)
{
        return sql_bind(f, t->pack, NULL, 0, FIRST_ARGUMENT + (int)t->n_arguments, ret, e);
}

/* Asks PostgreSQL which columns the effect has, by preparing it alone. */
static int find_shape(struct db *d, const struct task_type *t, int type_no, struct shape *ret, struct err *e)
{
        BUF_CLEANUP struct buf sql;
        struct bound_sql bound CLEANUP(bound_sql_deinit) = { 0 };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char name[32];
        buf_init(&sql, SQL_MAX);
        if (bind(statement_of(t), t, &bound, e) < 0)
                return -1;
        add_batch(t, type_no, VARIANT_AGAIN, &sql);
        buf_addf(&sql, "%s\nselect * from effect", bound.text);
        snprintf(name, sizeof name, "shape%d", type_no);
        if (db_prepare(d, name, buf_str(&sql), e) < 0 || db_describe(d, name, &r, e) < 0)
                return err_prefix(e, "%s", statement_of(t)->path);
        const char *missing = db_column(r, "subject") < 0 ? "subject" : db_column(r, "outcome") < 0 ? "outcome" : NULL;
        if (missing)
                return err_set(e, ERR_FATAL, "", "%s: effect has no column \"%s\"", statement_of(t)->path, missing);
        *ret = (struct shape){ true, db_column(r, "reason") >= 0, db_column(r, "before") >= 0, db_column(r, "after") >= 0,
                               db_column(r, "follow_ups") >= 0 };
        return 0;
}

static void add_follow_ups(const struct task_type *t, const struct shape *s, struct buf *out)
{
        if (s->follow_ups) {
                buf_addf(out, "(select array_agg('%s.' || f.name) from unnest(e.follow_ups) as f(name))", t->pack->name);
        } else if (t->n_follow_ups) {
                buf_addf(out, "case when e.outcome = '%s' then array[", t->action == ACTION_SQL ? "applied" : "send");
                for (size_t i = 0; i < t->n_follow_ups; i++)
                        buf_addf(out, "%s'%s'", i ? ", " : "", t->follow_ups[i]); /* names of [a-z0-9.-] only */
                buf_adds(out, "]::text[] end");
        } else {
                buf_adds(out, "null::text[]");
        }
}

/* What each subject of the batch comes to; who is not in `effect` was not eligible. The codes are enum outcome's, -1 an intent. */
static void add_outcomes(const struct task_type *t, const struct shape *s, enum variant v, struct buf *out)
{
        buf_addf(out, ",\n_outcomes as materialized (select b._n, b.subject as _key, b.item%s, case when e.subject is null then 1 ",
                 v == VARIANT_ADHOC ? ", b.actor, b._arguments" : "");
        if (t->action == ACTION_SQL)
                buf_adds(out, "when e.outcome = 'applied' then 0 ");
        else
                buf_adds(out, "when e.outcome = 'send' then -1 ");
        buf_addf(out, "when e.outcome = 'skipped' then 1 when e.outcome = 'failed' then 2 end as outcome, case when e.subject is null then 'not eligible' "
                      "else %s end as reason, %s as before, %s as after, ",
                 s->reason ? "coalesce(e.reason::text, '')" : "''", s->before ? "e.before::text" : "null::text", s->after ? "e.after::text" : "null::text");
        add_follow_ups(t, s, out);
        buf_adds(out, " as follow_ups from batch b left join effect e on e.subject = b.subject)");
}

static void add_ledger(int type_no, enum variant v, struct buf *out)
{
        if (v == VARIANT_AGAIN)
                return;
        buf_addf(out,
                 ",\n_ledger as (insert into rollcall.outcome (day, run_no, type_no, source_no, src_offset, sequence, outcome, subject, item, reason, before, "
                 "after, follow_ups%s) select $8::date, $9::bigint, %d, ($3::int[])[_n], ($4::bigint[])[_n], case when outcome >= 0 then ($5::bigint[])[_n] end, "
                 "outcome, _key::text, item, reason, before, after, follow_ups%s from _outcomes)",
                 v == VARIANT_ADHOC ? ", task_id, actor, arguments" : "", type_no, v == VARIANT_ADHOC ? ", ($6::uuid[])[_n], actor, _arguments" : "");
}

/* The texts of a result lie in this process's memory until their batch ends: the statement itself refuses to give more of them than there is room for. */
static void add_limit(const struct task_type *t, const struct shape *s, struct buf *out)
{
        const char *const texts[] = { s->reason ? "reason" : NULL, s->before ? "before" : NULL, s->after ? "after" : NULL };
        const char *plus = "";
        if (t->action == ACTION_SQL && !s->reason && !s->before && !s->after)
                return;
        buf_adds(out, " where (select rollcall.bounded_result(sum(");
        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                if (texts[i]) {
                        buf_addf(out, "%scoalesce(octet_length(%s), 0)", plus, texts[i]);
                        plus = " + ";
                }
        buf_adds(out, *plus ? ")" : "0)");
        if (t->action != ACTION_SQL)
                buf_adds(out, " + coalesce((select sum(octet_length(f::text)) from effect f), 0)");
        buf_addf(out, ", %d) from _outcomes)", RESULT_BYTES_MAX);
}

static void add_result(const struct task_type *t, const struct shape *s, struct buf *out)
{
        buf_adds(out, "\nselect o._n, o.outcome, o.reason, o.before, o.after, array_to_string(o.follow_ups, ',') as follow_ups");
        buf_adds(out, t->action == ACTION_SQL ? " from _outcomes o" : ", e.* from _outcomes o left join effect e on e.subject = o._key");
        add_limit(t, s, out);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------------------- */

static int compose_text(const struct slot *s, int type_no, enum variant v, struct composed *ret, struct err *e)
{
        const struct task_type *t = s->type;
        const struct sql_file *file = v == VARIANT_RECORD ? &t->record : statement_of(t);
        BUF_CLEANUP struct buf sql;
        buf_init(&sql, SQL_MAX);
        if (bind(file, t, &ret->bound, e) < 0)
                return -1;
        add_batch(t, type_no, v, &sql);
        buf_adds(&sql, ret->bound.text);
        if (v == VARIANT_RECORD) {
                buf_adds(&sql, "\nselect count(*) from batch");
        } else {
                add_outcomes(t, &s->shape, v, &sql);
                add_ledger(type_no, v, &sql);
                add_result(t, &s->shape, &sql);
        }
        ret->sql = sql.failed ? NULL : strdup(buf_str(&sql));
        if (!ret->sql)
                return err_oom(e);
        snprintf(ret->name, sizeof ret->name, "type%d_%d", type_no, (int)v);
        return 0;
}

int compose(struct composer *c, struct db *d, const struct task_type *type, int type_no, enum variant v, const struct composed **ret, struct err *e)
{
        *ret = NULL;
        if (v == VARIANT_RECORD && !type->record.text)
                return 0;
        struct slot *s = slot_of(c, type);
        if (!s)
                return err_oom(e);
        struct composed *q = &s->variants[v];
        if (q->sql && db_prepared(d, q->name)) {
                *ret = q;
                return 0;
        }
        if (pack_search_path(d, type->pack, false, e) < 0)
                return -1;
        if (!s->shape.known && find_shape(d, type, type_no, &s->shape, e) < 0)
                return -1;
        if (!q->sql && compose_text(s, type_no, v, q, e) < 0)
                return -1;
        if (db_prepare(d, q->name, q->sql, e) < 0)
                return err_prefix(e, "%s", v == VARIANT_RECORD ? type->record.path : statement_of(type)->path);
        *ret = q;
        return 0;
}

/* ---- parameters --------------------------------------------------------------------------------------------------------------------- */

static struct span argument_of(const struct task *t, const struct declared *d)
{
        for (size_t i = 0; i < t->n_arguments; i++)
                if (span_is(t->arguments[i].name, d->name))
                        return t->arguments[i].value;
        return span_of(d->fallback);
}

static void add_subjects(const struct unit *u, struct entry *const *list, size_t n, struct db_params *p)
{
        bool integer = u->type->subject_type == VALUE_INTEGER;
        db_array_begin(p, integer ? DB_INT8 : u->type->subject_type == VALUE_UUID ? DB_UUID : DB_TEXT, n);
        for (size_t i = 0; i < n; i++) {
                struct uuid id = { { 0 } };
                if (integer)
                        db_element_int(p, list[i]->subject_int);
                else if (u->type->subject_type == VALUE_UUID && uuid_from_text(list[i]->task.subject.ptr, list[i]->task.subject.len, &id))
                        db_element_uuid(p, &id);
                else
                        db_element_text(p, list[i]->task.subject);
        }
        db_array_end(p);
}

static void add_origin(struct entry *const *list, size_t n, const struct sources *sources, struct db_params *p)
{
        size_t items = 0;
        for (size_t i = 0; i < n; i++)
                items = list[i]->task.item.len ? n : items;
        db_array_begin(p, DB_TEXT, items);
        for (size_t i = 0; i < items; i++)
                db_element_text(p, list[i]->task.item.ptr ? list[i]->task.item : SPAN_LIT(""));
        db_array_end(p);
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, sources->list[list[i]->source].source_no);
        db_array_end(p);
        db_array_begin(p, DB_INT8, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, list[i]->offset);
        db_array_end(p);
        db_array_begin(p, DB_INT8, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, list[i]->sequence);
        db_array_end(p);
}

void run_day(const struct run *run, char text[16])
{
        int y, m, d;
        if (run) {
                civil_from_days(run->day, &y, &m, &d);
                snprintf(text, 16, "%04d-%02d-%02d", y, m, d);
        } else {
                strcpy(text, "-infinity");
        }
}

void add_run_key(const struct run *run, struct db_params *p)
{
        char day[16];
        run_day(run, day);
        db_add_str(p, day);
        db_add_int8(p, run ? run->run_no : 0);
}

int add_arguments(const struct task *t, struct db_params *p, struct err *e)
{
        BUF_CLEANUP struct buf json;
        buf_init(&json, ARGUMENTS_JSON_MAX); /* entry_admit lets no more through */
        arguments_to_json(t->arguments, t->n_arguments, &json);
        if (json.failed)
                return err_oom(e);
        db_element_text(p, (struct span){ buf_str(&json), json.len });
        return 0;
}

int compose_params(const struct composed *c, const struct unit *u, struct entry *const *list, size_t n, const struct sources *sources,
                   const struct run_values *values, struct db_params *p, struct err *e)
{
        add_subjects(u, list, n, p);
        add_origin(list, n, sources, p);
        db_array_begin(p, DB_UUID, u->run ? 0 : n);
        for (size_t i = 0; !u->run && i < n; i++)
                db_element_uuid(p, &list[i]->task.task_id);
        db_array_end(p);
        db_array_begin(p, DB_TEXT, u->run ? 1 : n);
        for (size_t i = 0; i < (u->run ? 1 : n); i++)
                db_element_text(p, u->run ? span_of(u->run->requested_by) : list[i]->task.actor.ptr ? list[i]->task.actor : SPAN_LIT(""));
        db_array_end(p);
        add_run_key(u->run, p);
        db_array_begin(p, DB_TEXT, u->run ? 0 : n);
        for (size_t i = 0; !u->run && i < n; i++)
                if (add_arguments(&list[i]->task, p, e) < 0)
                        return -1;
        db_array_end(p);
        for (size_t k = 0; k < u->type->n_arguments; k++) {
                db_array_begin(p, DB_TEXT, n);
                for (size_t i = 0; i < n; i++)
                        db_element_text(p, argument_of(&list[i]->task, &u->type->arguments[k]));
                db_array_end(p);
        }
        return sql_add_values(&c->bound, values, p, e);
}
