#include "trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATEMENT_MAX = 2 * 1024 * 1024, PARAMS_MAX = 1024 * 1024 };

static void add_batch(const struct task_type *type, bool record, struct buf *out, int *next)
{
        buf_addf(out, "with batch as (select $1::%s as subject, $2::text as item, $3::text as actor", value_sql_type(type->subject_type));
        *next = 4;
        if (record)
                buf_addf(out, ", $%d::timestamptz as sent_at", (*next)++);
        for (size_t i = 0; !record && i < type->n_arguments; i++)
                buf_addf(out, ", $%d::%s as \"%s\"", (*next)++, value_sql_type(type->arguments[i].type), type->arguments[i].name);
        buf_adds(out, "),\n");
}

int trial_compose(const struct task_type *type, bool record, struct trial *ret, struct err *e)
{
        const struct sql_file *f = record ? &type->record : &type->statement;
        struct trial t = { .body_line = 1 };
        BUF_CLEANUP struct buf out;
        buf_init(&out, STATEMENT_MAX);
        int next;
        add_batch(type, record, &out, &next);
        if (sql_bind(f, type->pack, NULL, 0, next, &t.bound, e) < 0)
                return -1;
        buf_adds(&out, t.bound.text);
        buf_adds(&out, record ? "\nselect count(*) from batch" : "\nselect * from effect");
        t.text = out.failed ? NULL : strdup(buf_str(&out));
        if (!t.text) {
                trial_deinit(&t);
                return err_oom(e);
        }
        *ret = t;
        return 0;
}

void trial_deinit(struct trial *t)
{
        free(t->text);
        if (t->bound.text)
                bound_sql_deinit(&t->bound);
        *t = (struct trial){ 0 };
}

static int run(struct db *d, const struct task_type *type, const struct trial *t, const struct db_params *p, struct db_result **ret, struct err *e)
{
        char where[400];
        if (pack_search_path(d, type->pack, true, e) < 0)
                return -1;
        if (db_query(d, t->text, p, ret, e) == 0)
                return 0;
        trial_where(&type->statement, t->text, t->body_line, e, where, sizeof where);
        return err_prefix(e, "%s", where);
}

int trial_run(struct db *d, const struct task_type *type, const struct run_values *v, const char *subject, const char *item, const char *const *given,
              struct db_result **ret, struct err *e)
{
        CLEANUP(trial_deinit) struct trial t = { 0 };
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!p)
                return err_oom(e);
        if (trial_compose(type, false, &t, e) < 0)
                return -1;
        db_add_str(p, subject);
        db_add_str(p, item);
        db_add_str(p, v->actor);
        for (size_t i = 0; i < type->n_arguments; i++)
                db_add_str(p, given[i]);
        if (sql_add_values(&t.bound, v, p, e) < 0 || db_exec(d, "begin", e) < 0)
                return -1;
        int rc = run(d, type, &t, p, ret, e);
        struct err other = ERR_INIT;
        if (db_exec(d, "rollback", &other) < 0 && rc == 0) {
                *e = other;
                db_result_free(TAKE(*ret));
                rc = -1;
        }
        return rc;
}

void trial_where(const struct sql_file *f, const char *statement, size_t before, const struct err *e, char *ret, size_t size)
{
        static const char mark[] = ", at character ";
        const char *at = strstr(e->text, mark);
        long position = at ? strtol(at + sizeof mark - 1, NULL, 10) : 0;
        size_t line = 1;
        for (const char *s = statement; position > 1 && *s; s++) {
                if (((unsigned char)*s & 0xc0) != 0x80) /* PostgreSQL counts characters */
                        position--;
                line += *s == '\n';
        }
        if (at && line > before)
                snprintf(ret, size, "%s:%zu", f->path, line - before);
        else
                snprintf(ret, size, "%s", f->path);
}
