/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of a pack: prepared and described by PostgreSQL, never run. */
#include "check_columns.h"
#include "check_outcome.h"
#include "check_statements.h"
#include "ledger/compose.h"
#include "pack/action_ops.h"

#include <stdlib.h>
#include <string.h>

/* A plain statement of the pack: bound from $1. Its result, or NULL after a finding. */
static struct db_result *describe_plain(struct check *k, struct db *d, const char *what,
                                        const struct pack *p, const struct sql_file *f,
                                        const struct parameter *extra, size_t n_extra,
                                        struct statement *ret)
{
        struct err e = ERR_INIT;
        struct bound_sql b CLEANUP(bound_sql_deinit) = { 0 };
        *ret = (struct statement){ .what = what, .pack = p, .file = f };
        if (sql_bind(f, p, extra, n_extra, 1, &b, &e) < 0) {
                check_fail(k, what, f->path, "%s", e.text);
                return NULL;
        }
        ret->text = b.text;
        struct db_result *r = check_describe(k, d, ret);
        ret->text = NULL; /* goes with `b` */
        return r;
}

/* Does the due statement name an item? */
static bool check_due(struct check *k, struct db *d, const struct task_type *t)
{
        static const struct wanted wanted[] = { { "item", column_is_any, "text", false } };
        struct statement s;
        struct db_result *r CLEANUP(db_result_cleanup) = describe_plain(k, d, "due", t->pack,
                                                                        &t->due, NULL, 0, &s);
        if (!r)
                return false;
        bool good = check_subject(k, &s, r, t->subject_type); /* all are reported */
        good = check_columns(k, &s, r, wanted, ARRAY_LEN(wanted)) && good;
        if (check_doubled(k, &s, r) && good)
                check_ok(k, "due", t->due.path, "prepared, for %s", t->name);
        return db_column(r, "item") >= 0;
}

struct template_check {
        struct check *k;
        const struct db_result *columns;
        const char *type, *part;
        bool good;
};

static int check_name(void *ctx, struct span name, int line)
{
        struct template_check *c = ctx;
        char copy[128];
        snprintf(copy, sizeof copy, "%.*s", SPAN_FMT(name));
        if (db_column(c->columns, copy) >= 0)
                return 0;
        check_fail(c->k, "template", c->type, "%s template, line %d: {{%s}} is no column of effect",
                   c->part, line, copy);
        c->good = false;
        return 0;
}

static void check_templates(struct check *k, const struct task_type *t,
                            const struct db_result *columns)
{
        const struct {
                const char *part;
                const struct template *template;
        } parts[] = { { "subject", t->email.subject },
                      { "text", t->email.text },
                      { "html", t->email.html } };
        struct template_check c = { k, columns, t->full_name, NULL, true };
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
                if (parts[i].template) {
                        c.part = parts[i].part;
                        template_names(parts[i].template, check_name, &c);
                }
        if (c.good)
                check_ok(k, "template", t->full_name, "every name is a column of effect");
}

/* An error of compose(), which begins with "FILE: " or "FILE:LINE: ". */
static void fail_at(struct check *k, const char *what, const char *path, const struct err *e)
{
        char where[400];
        const char *text = strncmp(e->text, path, strlen(path)) == 0
                                   ? strstr(e->text + strlen(path), ": ")
                                   : NULL;
        snprintf(where, sizeof where, "%.*s", text ? (int)(text - e->text) : (int)strlen(path),
                 text ? e->text : path);
        check_fail(k, what, where, "%s", text ? text + 2 : e->text);
}

/* A statement that acts without its batch acts on everybody. */
static bool check_reads_batch(struct check *k, struct db *d, const struct task_type *t, int type_no,
                              bool record)
{
        const char *what = record ? "record" : "statement",
                   *path = record ? t->record.path : t->statement.path;
        struct err e = ERR_INIT;
        bool reads = false;
        if (compose_reads_batch(d, t, type_no, record, &reads, &e) < 0)
                fail_at(k, what, path, &e);
        else if (!reads)
                check_fail(k, what, path,
                           "it never reads \"batch\": it would act without regard to its tasks");
        return reads;
}

/* The very statements that the workers and the commands will run. */
static bool check_variants(struct check *k, struct db *d, const struct task_type *t, int type_no,
                           bool record)
{
        struct composer *c CLEANUP(composer_cleanup) = composer_new();
        const struct composed *composed = NULL;
        struct err e = ERR_INIT;
        for (int v = 0; v < VARIANT_COUNT; v++) {
                if ((v == VARIANT_RECORD) != record)
                        continue;
                if (c ? compose(c, d, t, type_no, (enum variant)v, &composed, &e) == 0
                      : err_oom(&e) == 0)
                        continue;
                fail_at(k, record ? "record" : "statement",
                        record ? t->record.path : t->statement.path, &e);
                return false;
        }
        return check_reads_batch(k, d, t, type_no, record);
}

static void check_record(struct check *k, struct db *d, const struct task_type *t, int type_no)
{
        if (check_variants(k, d, t, type_no, true))
                check_ok(k, "record", t->record.path, "prepared, for %s", t->name);
}

static void check_effect(struct check *k, struct db *d, const struct task_type *t, int type_no,
                         bool items)
{
        bool json = t->ops->effect_type && strcmp(t->ops->effect_type, "json") == 0;
        const struct wanted wanted[] = {
                { "outcome", column_is_text, "text", true },
                { "item", column_is_text, "text", items },
                { "reason", column_is_any, "text", false },
                { "before", column_is_any, "text", false },
                { "after", column_is_any, "text", false },
                { "follow_ups", column_is_texts, "text[]", false },
                /* the last one: what the action needs */
                { t->ops->effect_column, json ? column_is_body : column_is_text,
                  t->ops->effect_type, true },
        };
        size_t n = t->ops->effect_column ? ARRAY_LEN(wanted) : ARRAY_LEN(wanted) - 1;
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (compose_describe(d, t, type_no, false, &r, &e) < 0) {
                fail_at(k, "statement", t->statement.path, &e);
                return;
        }
        const struct statement s = { "statement", t->pack, &t->statement, NULL };
        bool good = check_subject(k, &s, r, t->subject_type); /* all are reported */
        good = check_columns(k, &s, r, wanted, n) && good;
        good = check_doubled(k, &s, r) && good;
        good = check_outcome_words(k, t) && good;
        if (good && check_variants(k, d, t, type_no, false))
                check_ok(k, "statement", t->statement.path,
                         "prepared, effect has its columns, for %s", t->name);
        if (t->email.subject)
                check_templates(k, t, r);
}

static void check_settings(struct check *k, const struct pack *p, const struct job *j)
{
        struct err e = ERR_INIT;
        struct setting_value *list;
        size_t n;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(1024 * 1024);
        if (!a || settings_resolve(p, j, NULL, 0, a, &list, &n, &e) < 0)
                check_fail(k, "settings", j ? j->full_name : p->name, "%s",
                           a ? e.text : "out of memory");
        else if (j)
                check_ok(k, "job", j->full_name, "%s, settings resolved",
                         j->schedule ? j->schedule : "by hand");
}

/* The precondition of a job or of a task type. */
static void check_requires(struct check *k, struct db *d, const struct pack *p,
                           const struct sql_file *f, const char *what, const char *name)
{
        static const struct wanted wanted[] = { { "ok", column_is_bool, "boolean", true },
                                                { "reason", column_is_text, "text", true } };
        struct statement s;
        struct db_result *r CLEANUP(db_result_cleanup) = describe_plain(k, d, "requires", p, f,
                                                                        NULL, 0, &s);
        if (r && check_columns(k, &s, r, wanted, ARRAY_LEN(wanted)))
                check_ok(k, "requires", f->path, "prepared, for the %s %s", what, name);
}

static void check_population(struct check *k, struct db *d, const struct job *j)
{
        struct statement s;
        struct db_result *r CLEANUP(db_result_cleanup) = describe_plain(
                k, d, "population", j->pack, &j->population, NULL, 0, &s);
        if (!r)
                return;
        if (db_columns(r) != 1 || !column_is_number(db_column_type(r, 0)))
                check_fail(k, "population", j->population.path,
                           "one column with a whole number was expected, it returns %d columns%s%s",
                           db_columns(r), db_columns(r) == 1 ? ", of type " : "",
                           db_columns(r) == 1 ? db_column_type(r, 0) : "");
        else
                check_ok(k, "population", j->population.path, "prepared, for the job %s", j->name);
}

static void check_lookup(struct check *k, struct db *d, const struct command *c)
{
        const struct parameter subject = { .name = "subject", .type = VALUE_TEXT };
        struct statement s;
        struct db_result *r CLEANUP(db_result_cleanup) = describe_plain(
                k, d, "lookup", c->pack, &c->lookup, &subject, 1, &s);
        if (!r)
                return;
        if (db_columns(r) < 1 || strcmp(db_column_name(r, 0), "subject") != 0)
                check_fail(k, "lookup", c->lookup.path,
                           "its first column must be \"subject\", it is \"%s\"",
                           db_columns(r) ? db_column_name(r, 0) : "");
        else if (check_subject(k, &s, r, c->type->subject_type))
                check_ok(k, "lookup", c->lookup.path, "prepared, for the command %s", c->name);
}

static void check_report(struct check *k, struct db *d, const struct report *p)
{
        struct statement s;
        struct db_result *r CLEANUP(db_result_cleanup) = describe_plain(
                k, d, "report", p->pack, &p->statement, p->parameters, p->n_parameters, &s);
        if (!r)
                return;
        if (p->rows && db_columns(r) > 0)
                check_ok(k, "report", p->statement.path, "prepared, returns rows of %d columns",
                         db_columns(r));
        else if (p->rows)
                check_fail(k, "report", p->statement.path, "its rows have no columns");
        else if (db_columns(r) != 1 || !column_is_json(db_column_type(r, 0)))
                check_fail(k, "report", p->statement.path,
                           "one json column was expected, it returns %d columns%s%s", db_columns(r),
                           db_columns(r) == 1 ? ", of type " : "",
                           db_columns(r) == 1 ? db_column_type(r, 0) : "");
        else
                check_ok(k, "report", p->statement.path, "prepared, returns one json column");
}

void check_statements(struct check *k, struct db *d, const struct pack *p)
{
        for (size_t i = 0; i < p->n_types && db_alive(d); i++) {
                const struct task_type *t = &p->types[i];
                bool items = t->due.text && check_due(k, d, t);
                /* of this connection's prepared statements; the database may know none yet */
                int type_no = (int)i + 1;
                if (t->precondition.text)
                        check_requires(k, d, p, &t->precondition, "task type", t->name);
                if (t->statement.text)
                        check_effect(k, d, t, type_no, items);
                if (t->record.text)
                        check_record(k, d, t, type_no);
        }
        check_settings(k, p, NULL);
        for (size_t i = 0; i < p->n_jobs && db_alive(d); i++) {
                check_settings(k, p, &p->jobs[i]);
                if (p->jobs[i].precondition.text)
                        check_requires(k, d, p, &p->jobs[i].precondition, "job", p->jobs[i].name);
                if (p->jobs[i].population.text)
                        check_population(k, d, &p->jobs[i]);
        }
        for (size_t i = 0; i < p->n_commands && db_alive(d); i++)
                if (p->commands[i].lookup.text)
                        check_lookup(k, d, &p->commands[i]);
        for (size_t i = 0; i < p->n_reports && db_alive(d); i++)
                check_report(k, d, &p->reports[i]);
}
