/* SPDX-License-Identifier: Apache-2.0 */
/* What a task must be like before anything is done for it: one place for the tool, the intake and
 * the workers. */
#include "ledger/ledger.h"

#include "codec/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 128 * 1024 };

static bool has_nul(struct span s)
{
        return s.len && memchr(s.ptr, '\0', s.len);
}

int task_validate_form(const struct task *t, struct err *e)
{
        size_t bytes = 0;
        if (t->subject.len == 0)
                return err_set(e, ERR_INPUT, "", "the task has no subject");
        if (t->subject.len > LEDGER_NAME_MAX || t->item.len > LEDGER_NAME_MAX)
                return err_set(e, ERR_INPUT, "", "subject or item is longer than %d bytes",
                               LEDGER_NAME_MAX);
        if (has_nul(t->subject) || has_nul(t->item) || has_nul(t->actor))
                return err_set(e, ERR_INPUT, "", "subject, item or actor contains a NUL character");
        /* the ledger keeps them as JSON, where a byte may take six */
        for (size_t i = 0; i < t->n_arguments; i++)
                bytes += t->arguments[i].name.len + t->arguments[i].value.len;
        if (bytes > ARGUMENTS_MAX)
                return err_set(e, ERR_INPUT, "", "the arguments are larger than 128 KiB");
        return 0;
}

/* ---- the subject ---- */

/* The ledger keeps subjects as PostgreSQL writes them: "07" would be done as 7, under another id.
 */
static bool is_canonical(enum value_type type, struct span s, int64_t number)
{
        char text[UUID_TEXT_LEN + 1];
        struct uuid id;
        if (type == VALUE_INTEGER)
                snprintf(text, sizeof text, "%lld", (long long)number);
        else if (type == VALUE_UUID && uuid_parse(s.ptr, s.len, &id))
                uuid_to_text(id, text);
        else
                return true;
        return span_is(s, text);
}

static int check_subject(const struct task_type *type, struct span s, int64_t *ret_number,
                         struct err *e)
{
        *ret_number = 0;
        if (!value_valid(type->subject_type, s))
                return err_set(e, ERR_INPUT, "", "the subject \"%.*s\" is no %s, which %s takes",
                               s.len < 100 ? (int)s.len : 100, s.ptr,
                               value_sql_type(type->subject_type), type->full_name);
        if (type->subject_type == VALUE_INTEGER) {
                char text[32];
                size_t len = s.len < sizeof text - 1 ? s.len : sizeof text - 1;
                memcpy(text, s.ptr, len);
                text[len] = '\0';
                *ret_number = strtoll(text, NULL, 10);
        }
        if (!is_canonical(type->subject_type, s, *ret_number))
                return err_set(e, ERR_INPUT, "",
                               "the subject \"%.*s\" is not written as PostgreSQL writes it",
                               s.len < 100 ? (int)s.len : 100, s.ptr);
        return 0;
}

/* ---- the arguments ---- */

static const struct argument *find_argument(const struct task *t, const char *name)
{
        for (size_t i = 0; i < t->n_arguments; i++)
                if (span_is(t->arguments[i].name, name))
                        return &t->arguments[i];
        return NULL;
}

static int check_declared(const struct task_type *type, const struct task *t, struct err *e)
{
        for (size_t i = 0; i < type->n_arguments; i++) {
                const struct parameter *d = &type->arguments[i];
                const struct argument *given = find_argument(t, d->name);
                if (given && d->from_actor && !d->for_others)
                        return err_set(e, ERR_INPUT, "",
                                       "argument %s is filled in with who asks: it cannot be given",
                                       d->name);
                if (given && parameter_check(d, given->value, e) < 0)
                        return -1;
                if (!given && d->required)
                        return err_set(e, ERR_INPUT, "", "argument %s is missing", d->name);
        }
        return 0;
}

static int check_known(const struct task_type *type, const struct task *t, struct err *e)
{
        for (size_t i = 0; i < t->n_arguments; i++) {
                size_t k = 0;
                while (k < type->n_arguments &&
                       !span_is(t->arguments[i].name, type->arguments[k].name))
                        k++;
                if (k == type->n_arguments)
                        return err_set(e, ERR_INPUT, TASK_UNKNOWN, "%s has no argument \"%.*s\"",
                                       type->full_name, SPAN_FMT(t->arguments[i].name));
        }
        return 0;
}

int task_validate(const struct task_type *type, const struct task *t, int64_t *ret_number,
                  struct err *e)
{
        if (check_subject(type, t->subject, ret_number, e) < 0 || check_declared(type, t, e) < 0)
                return -1;
        return check_known(type, t, e);
}
