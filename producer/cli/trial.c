/* A type's statement for one subject, tried and rolled back. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMS_MAX = 1024 * 1024 };

static void add_one(struct db_params *p, enum db_type type, struct span text)
{
        db_array_begin(p, type, 1);
        db_element_text(p, text);
        db_array_end(p);
}

static void add_subject(const struct task_type *type, const char *subject, struct db_params *p)
{
        struct uuid id = { { 0 } };
        switch (type->subject_type) {
        case VALUE_INTEGER:
                db_array_begin(p, DB_INT8, 1);
                db_element_int(p, strtoll(subject, NULL, 10));
                db_array_end(p);
                return;
        case VALUE_UUID:
                (void)!uuid_from_text(subject, strlen(subject), &id); /* draft_check has */
                db_array_begin(p, DB_UUID, 1);
                db_element_uuid(p, &id);
                db_array_end(p);
                return;
        default:
                add_one(p, DB_TEXT, span_of(subject));
        }
}

/* $3 to $6 and $8 to $10 are for the ledger, which a trial does not write. */
static void add_nothing(struct db_params *p, enum db_type type)
{
        db_array_begin(p, type, 0);
        db_array_end(p);
}

static int add_params(const struct composed *c, const struct task_type *type, const struct run_values *v, const char *subject, const char *item,
                      const char *const *given, struct db_params *p, struct err *e)
{
        add_subject(type, subject, p);
        add_one(p, DB_TEXT, span_of(item));
        add_nothing(p, DB_INT4);
        add_nothing(p, DB_INT8);
        add_nothing(p, DB_INT8);
        add_nothing(p, DB_UUID);
        add_one(p, DB_TEXT, span_of(v->actor));
        db_add_str(p, "-infinity");
        db_add_int8(p, 0);
        add_nothing(p, DB_TEXT);
        for (size_t i = 0; i < type->n_arguments; i++)
                add_one(p, DB_TEXT, span_of(given[i]));
        return compose_add_values(c, v, p, e);
}

static int run(struct db *d, const struct task_type *type, const struct run_values *v, const char *subject, const char *item, const char *const *given,
               struct db_result **ret, struct err *e)
{
        struct composer *composer CLEANUP(composer_cleanup) = composer_new();
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        const struct composed *c = NULL;
        if (!p || !composer)
                return err_oom(e);
        if (compose(composer, d, type, 0, VARIANT_TRIAL, &c, e) < 0 || add_params(c, type, v, subject, item, given, p, e) < 0)
                return -1;
        if (db_run(d, c->name, p, ret, e) == 0)
                return 0;
        bool named = strcmp(e->code, SQLSTATE_ANSWER) == 0 || strcmp(e->code, SQLSTATE_STATEMENT) == 0;
        return named ? -1 : err_prefix(e, "%s", type->statement.path);
}

int trial_run(struct db *d, const struct task_type *type, const struct run_values *v, const char *subject, const char *item, const char *const *given,
              struct db_result **ret, struct err *e)
{
        struct err other = ERR_INIT;
        if (db_exec(d, "begin", e) < 0)
                return -1;
        int rc = run(d, type, v, subject, item, given, ret, e);
        if (db_exec(d, "rollback", &other) < 0 && rc == 0) {
                *e = other;
                db_result_free(TAKE(*ret));
                rc = -1;
        }
        return rc;
}
