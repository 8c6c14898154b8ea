/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the statement of a task type together from the pack's text and the engine's. */
#include "ledger/compose_text.h"

#include "pack/action_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void composed_deinit(struct composed *c)
{
        free(c->sql);
        bound_sql_deinit(&c->guard);
        bound_sql_deinit(&c->bound);
        *c = (struct composed){ 0 };
}

/* ---- batch ---- */

/* A text as SQL writes it. */
static void add_literal(const char *text, struct buf *out)
{
        buf_adds(out, "'");
        for (const char *p = text; *p; p++)
                buf_addf(out, *p == '\'' ? "''" : "%c", *p);
        buf_adds(out, "'");
}

static bool of_run(enum variant v)
{
        return v == VARIANT_FRESH || v == VARIANT_RUN || v == VARIANT_PLACED;
}

/*
 * Leaves out the tasks that have an outcome, and tells the planner how large a batch is. It plans
 * once for all batches (a plan for each would read a whole table for a large one) and takes an
 * array for ten elements: a condition like "not exists" leaves one of them, and then each row of a
 * list is compared with each of another, which takes a minute for 5,000. So it is given twenty
 * times as many, and the condition is hidden from it. What has an outcome is looked up by
 * index, whatever the statistics say. VARIANT_FRESH and VARIANT_PLACED
 * do without.
 */
static void add_known(const struct composing *k, struct buf *out)
{
        if (k->variant != VARIANT_FRESH && k->variant != VARIANT_PLACED)
                buf_adds(out, " cross join rollcall.as_many()");
        if (k->variant == VARIANT_RUN)
                buf_addf(out,
                         " left join rollcall.known_of_run($8::date, $9::bigint, %d::smallint, "
                         "$1::%s[]::text[], $2::text[]) as k(n) on k.n = u.n",
                         k->type_no, value_sql_type(k->type->subject_type));
        else if (k->variant == VARIANT_ADHOC)
                buf_adds(out, " left join rollcall.known_by_id($6::uuid[]) as k(n) on k.n = u.n");
}

/* What only the ledger wants ($3 to $6) is taken by subscript where it is inserted, which costs
 * less than to carry it through every step. */
static void add_batch(const struct composing *k, const char *name, struct buf *out)
{
        const struct task_type *t = k->type;
        enum variant v = k->variant;
        buf_addf(out,
                 "with %s as materialized (select u.n as _n, u.subject, coalesce(u.item, '') as "
                 "item, %s as actor%s%s",
                 name, of_run(v) ? "($7::text[])[1]" : "coalesce(u.actor, ($7::text[])[1])",
                 v == VARIANT_ADHOC ? ", u.arguments::jsonb as _arguments" : "",
                 v == VARIANT_RECORD ? ", now() as sent_at" : "");
        for (size_t i = 0; i < t->n_arguments; i++)
                buf_addf(out, ", u.argument%zu::%s as %s", i, value_sql_type(t->arguments[i].type),
                         t->arguments[i].name);
        buf_addf(out, " from unnest($1::%s[], $2::text[]%s%s", value_sql_type(t->subject_type),
                 of_run(v) ? "" : ", $7::text[]", v == VARIANT_ADHOC ? ", $10::text[]" : "");
        for (size_t i = 0; i < t->n_arguments; i++)
                buf_addf(out, ", $%zu::text[]", COMPOSE_FIRST_ARGUMENT + i);
        buf_addf(out, ") with ordinality as u(subject, item%s%s", of_run(v) ? "" : ", actor",
                 v == VARIANT_ADHOC ? ", arguments" : "");
        for (size_t i = 0; i < t->n_arguments; i++)
                buf_addf(out, ", argument%zu", i);
        buf_adds(out, ", n)");
        add_known(k, out);
        /* names each parameter, so that all variants have the same */
        buf_adds(out, " where $3::int[] is not null and $4::bigint[] is not null and $5::bigint[] "
                      "is not null and $6::uuid[] is not null "
                      "and $7::text[] is not null and $8::date is not null and $9::bigint is not "
                      "null and $10::text[] is not null");
        if (v == VARIANT_RUN || v == VARIANT_ADHOC)
                buf_adds(out, " and case when k.n is null then true else false end");
        buf_adds(out, "),\n");
}

static size_t lines_of(const struct buf *b)
{
        size_t n = 0;
        for (size_t i = 0; i < b->len; i++)
                n += buf_str(b)[i] == '\n';
        return n;
}

static int bind(const struct composing *k, const struct sql_file *f, int first,
                struct bound_sql *ret, struct err *e)
{
        return of_run(k->variant) ? sql_bind(f, k->type->pack, NULL, 0, first, ret, e)
                                  : sql_bind_own_time(f, k->type->pack, NULL, 0, first, ret, e);
}

/* What was sent is recorded whatever the condition says now. */
bool composing_guarded(const struct composing *k)
{
        return k->type->precondition.text && k->shape && k->variant != VARIANT_RECORD;
}

/* `batch` has nobody in it unless the condition is met, in the very snapshot in which the effect
 * happens. */
static int add_guard(const struct composing *k, int first, struct composed *ret, struct buf *out,
                     struct err *e)
{
        if (bind(k, &k->type->precondition, first, &ret->guard, e) < 0)
                return -1;
        buf_adds(out, "_guard as materialized (\n");
        ret->guard_line = lines_of(out);
        buf_adds(out, ret->guard.text);
        buf_adds(out,
                 "\n), _gate as materialized (select count(*) = 1 and coalesce(bool_and(g.ok), "
                 "false) as ok, 'refused: ' || case count(*) when 0 then "
                 "'its condition gave no row' when 1 then coalesce(nullif(min(g.reason::text), "
                 "''), 'its condition is not met') "
                 "else 'its condition gave more than one row' end as reason from _guard g), "
                 "batch as materialized (select a.* from _asked a where (select g.ok from _gate "
                 "g)),\n");
        return 0;
}

/* ---- effect ---- */

/* Reports and files act on nobody's rows: their effect is to be done. */
static const struct sql_file do_it = {
        (char *)"(built in)", (char *)"effect as (select subject, 'send' as outcome from batch)"
};

const struct sql_file *composing_file(const struct task_type *t, enum variant v)
{
        return v == VARIANT_RECORD ? &t->record : t->statement.text ? &t->statement : &do_it;
}

/* An expression that raises: the column's value is not what was expected. */
static void add_refusal(const struct composing *k, const char *state, const char *column,
                        const char *value, struct buf *out)
{
        buf_addf(out, "rollcall.refuse_effect('%s', ", state);
        add_literal(k->file->path, out);
        buf_addf(out, ", '%s', %s, ", column, value);
}

static void add_follow_ups(const struct composing *k, struct buf *out)
{
        const struct task_type *t = k->type;
        if (k->shape->follow_ups) {
                const char *comma = "";
                buf_adds(out, "(select array_agg(distinct case when f.name = any (array[");
                for (size_t i = 0; i < t->n_follow_ups; i++, comma = ", ")
                        buf_addf(out, "%s'%s'", comma,
                                 t->follow_ups[i] + strlen(t->pack->name) + 1);
                buf_addf(out, "]::text[]) then '%s.' || f.name else ", t->pack->name);
                add_refusal(k, SQLSTATE_ANSWER, "follow_ups", "f.name", out);
                buf_adds(out, "'names that follow_ups of the task type has')::text end) from "
                              "unnest(e.follow_ups) as f(name))");
        } else if (t->n_follow_ups) {
                buf_addf(out, "case when e.outcome = '%s' then array[", t->ops->done);
                for (size_t i = 0; i < t->n_follow_ups; i++)
                        /* names of [a-z0-9.-] only */
                        buf_addf(out, "%s'%s'", i ? ", " : "", t->follow_ups[i]);
                buf_adds(out, "]::text[] end");
        } else {
                buf_adds(out, "null::text[]");
        }
}

/*
 * What each subject of the batch comes to; who is not in `effect` was not eligible. The codes are
 * enum outcome's, -1 an intent. Rows of `effect` that belong to no task of the batch are in it too,
 * thanks to the full join, and refused; a full join is also never done by comparing each row with
 * each.
 */
static void add_outcomes(const struct composing *k, struct buf *out)
{
        const struct shape *s = k->shape;
        bool sql = k->type->ops->in_database;
        buf_addf(out,
                 ",\n_outcomes as materialized (select b._n, b.subject as _key, b.item%s, case "
                 "when b._n is null then ",
                 k->variant == VARIANT_ADHOC ? ", b.actor, b._arguments" : "");
        add_refusal(k, SQLSTATE_STATEMENT, "subject", "e.subject::text", out);
        buf_adds(out, "'a subject of batch') ");
        if (composing_guarded(k)) {
                buf_adds(out, "when not g.ok and e.subject is null then 2 when not g.ok then ");
                add_refusal(k, SQLSTATE_STATEMENT, "subject", "e.subject::text", out);
                buf_adds(out, "'no row, because batch is empty') ");
        }
        buf_adds(out, "when e.subject is null then 1 ");
        if (s->item) {
                buf_adds(out, "when coalesce(e.item::text, '') <> b.item then ");
                add_refusal(k, SQLSTATE_ANSWER, "item", "e.item::text", out);
                buf_adds(out, "quote_literal(b.item) || ', the item of batch') ");
        }
        buf_adds(out,
                 sql ? "when e.outcome = 'applied' then 0 " : "when e.outcome = 'send' then -1 ");
        buf_adds(out, "when e.outcome = 'skipped' then 1 when e.outcome = 'failed' then 2 else ");
        add_refusal(k, SQLSTATE_ANSWER, "outcome", "e.outcome::text", out);
        buf_addf(out, "'''%s'', ''skipped'' or ''failed''') end as outcome, ",
                 sql ? "applied" : "send");
        buf_addf(out,
                 "case %swhen e.subject is null then 'not eligible' else %s end as reason, %s as "
                 "before, %s as after, ",
                 composing_guarded(k) ? "when not g.ok then g.reason " : "",
                 s->reason ? "coalesce(e.reason::text, '')" : "''",
                 s->before ? "e.before::text" : "null::text",
                 s->after ? "e.after::text" : "null::text");
        add_follow_ups(k, out);
        buf_addf(out, " as follow_ups from %s b full join effect e on e.subject = b.subject%s)",
                 composing_guarded(k) ? "_asked" : "batch",
                 composing_guarded(k) ? " cross join _gate g" : "");
}

static void add_ledger(const struct composing *k, struct buf *out)
{
        bool adhoc = k->variant == VARIANT_ADHOC;
        buf_addf(out,
                 ",\n_ledger as (insert into rollcall.outcome (day, run_no, type_no, source_no, "
                 "src_offset, sequence, outcome, subject, item, reason, before, "
                 "after, follow_ups%s) select $8::date, $9::bigint, %d, ($3::int[])[_n], "
                 "($4::bigint[])[_n], case when outcome >= 0 then ($5::bigint[])[_n] end, "
                 "outcome, _key::text, item, reason, before, after, follow_ups%s from _outcomes)",
                 adhoc ? ", task_id, actor, arguments" : "", k->type_no,
                 adhoc ? ", ($6::uuid[])[_n], actor, _arguments" : "");
}

/* A subject that stands in `effect` twice. VARIANT_FRESH leaves that to the ledger's key, and its
 * repetition by another variant to this. */
static void add_twice(const struct composing *k, struct buf *out)
{
        buf_adds(out, ",\n_twice as materialized (select ");
        add_refusal(k, SQLSTATE_ANSWER, "subject", "_key::text", out);
        buf_adds(out, "'each subject of batch once: it is in two rows') as refused from _outcomes "
                      "group by _n, _key having count(*) > 1)");
}

/*
 * The texts of a result lie in the worker's memory until their batch ends: the statement itself
 * refuses to give more of them than there is room for. A type without such texts cannot come near.
 */
static void add_limit(const struct composing *k, struct buf *out)
{
        const struct shape *s = k->shape;
        const char *const texts[] = { s->reason ? "reason" : NULL, s->before ? "before" : NULL,
                                      s->after ? "after" : NULL };
        const char *plus = "";
        if (k->type->ops->in_database && !s->reason && !s->before && !s->after)
                return;
        buf_adds(out, " and (select rollcall.bounded_result(sum(");
        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                if (texts[i]) {
                        buf_addf(out, "%scoalesce(octet_length(%s), 0)", plus, texts[i]);
                        plus = " + ";
                }
        buf_adds(out, *plus ? ")" : "0)");
        if (!k->type->ops->in_database)
                buf_adds(out, " + coalesce((select sum(octet_length(f::text)) from effect f), 0)");
        buf_addf(out, ", %d) from _outcomes)", RESULT_BYTES_MAX);
}

/* Nobody is in `effect` twice when there are as many outcomes as tasks; only else it is looked who.
 */
static void add_once(const struct composing *k, struct buf *out)
{
        if (k->variant == VARIANT_FRESH)
                buf_adds(out, " where true");
        else if (k->variant == VARIANT_PLACED)
                buf_addf(out,
                         " where case when (select count(*) from _outcomes) = (select count(*) "
                         "from %s) then true else (select count(refused) from _twice) = 0 end",
                         composing_guarded(k) ? "_asked" : "batch");
        else
                buf_adds(out, " where (select count(refused) from _twice) = 0");
}

static void add_result(const struct composing *k, struct buf *out)
{
        bool sql = k->type->ops->in_database;
        if (k->variant == VARIANT_TRIAL)
                buf_addf(out,
                         "\nselect o._key as subject, o.item, case o.outcome when 1 then 'skipped' "
                         "when 2 then 'failed' else '%s' end as outcome, o.reason, o.before, "
                         "o.after%s from _outcomes o full join effect e on e.subject = o._key",
                         sql ? "applied" : "send", k->shape->others);
        else if (k->variant == VARIANT_PLACED)
                buf_adds(out, "\nselect array_agg(o._n), o.outcome, o.reason, o.before, o.after, "
                              "array_to_string(o.follow_ups, ',') as follow_ups from _outcomes o");
        else
                buf_addf(out,
                         "\nselect o._n, o.outcome, o.reason, o.before, o.after, "
                         "array_to_string(o.follow_ups, ',') as follow_ups%s",
                         sql ? " from _outcomes o"
                             : ", e.* from _outcomes o full join effect e on e.subject = o._key");
        add_once(k, out);
        add_limit(k, out);
        if (k->variant == VARIANT_PLACED)
                buf_adds(out, " group by 2, 3, 4, 5, 6");
}

/* ---- the whole ---- */

/* The tasks and the pack's list: all up to its own `effect`. */
static int add_body(const struct composing *k, struct composed *ret, struct buf *sql, struct err *e)
{
        int first = COMPOSE_FIRST_ARGUMENT + (int)k->type->n_arguments;
        add_batch(k, composing_guarded(k) ? "_asked" : "batch", sql);
        if (composing_guarded(k) && add_guard(k, first, ret, sql, e) < 0)
                return -1;
        if (bind(k, k->file, first + (int)ret->guard.n_names, &ret->bound, e) < 0)
                return -1;
        ret->body_line = lines_of(sql);
        buf_adds(sql, ret->bound.text);
        return 0;
}

static int finish(const struct buf *sql, struct composed *ret, struct err *e)
{
        ret->sql = sql->failed ? NULL : strdup(buf_str(sql));
        return ret->sql ? 0 : err_oom(e);
}

int compose_text(const struct composing *k, struct composed *ret, struct err *e)
{
        BUF_CLEANUP struct buf sql;
        buf_init(&sql, COMPOSED_MAX);
        if (add_body(k, ret, &sql, e) < 0)
                return -1;
        if (k->variant == VARIANT_RECORD) {
                buf_adds(&sql, "\nselect count(*) from batch");
        } else {
                add_outcomes(k, &sql);
                if (k->variant != VARIANT_FRESH)
                        add_twice(k, &sql);
                if (k->variant != VARIANT_AGAIN && k->variant != VARIANT_TRIAL &&
                    k->variant != VARIANT_PLACED)
                        add_ledger(k, &sql);
                add_result(k, &sql);
        }
        snprintf(ret->name, sizeof ret->name, "type%d_%d", k->type_no, (int)k->variant);
        return finish(&sql, ret, e);
}

int compose_bare(const struct composing *k, struct composed *ret, struct err *e)
{
        BUF_CLEANUP struct buf sql;
        buf_init(&sql, COMPOSED_MAX);
        if (add_body(k, ret, &sql, e) < 0)
                return -1;
        buf_adds(&sql,
                 k->variant == VARIANT_RECORD ? "\nselect 1 as done" : "\nselect * from effect");
        snprintf(ret->name, sizeof ret->name, "bare%d_%d", k->type_no, (int)k->variant);
        return finish(&sql, ret, e);
}
