/* SPDX-License-Identifier: Apache-2.0 */
/* A request for one ad-hoc task: checked, and filed in the database. */
#include "task_request.h"

#include "base/utf8.h"
#include "codec/codec.h"
#include "ledger/ledger.h"

#include <stdio.h>
#include <string.h>

/* Characters that no text of a task needs; `lines`: tabs and line ends are fine. Gives the byte, or
 * -1. */
static long bad_character(const char *text, bool lines)
{
        for (const unsigned char *p = (const unsigned char *)text; *p; p++)
                if ((*p < 0x20 && !(lines && (*p == '\t' || *p == '\n' || *p == '\r'))) ||
                    *p == 0x7f)
                        return (long)((const char *)p - text);
        return -1;
}

static int check_text(const char *what, const char *text, bool lines, struct err *e)
{
        long at = bad_character(text, lines);
        if (at >= 0)
                return err_set(e, ERR_INPUT, "", "%s has a control character (0x%02x) at byte %ld",
                               what, (unsigned char)text[at], at + 1);
        size_t len = strlen(text);
        for (size_t i = 0, n; i < len; i += n)
                if ((n = utf8_length(text + i, len - i)) == 0)
                        return err_set(e, ERR_INPUT, "", "%s is not UTF-8 at byte %zu", what,
                                       i + 1);
        return 0;
}

int task_request_check(const struct task_request *q, struct err *e)
{
        struct argument list[CODEC_ARGUMENTS_MAX];
        const struct task_type *t = q->type;
        struct task task = { .type = span_of(t->full_name),
                             .subject = span_of(q->subject),
                             .item = span_of(q->item),
                             .arguments = list };
        int64_t ignored;
        if (check_text("the subject", q->subject, false, e) < 0 ||
            check_text("the item", q->item, false, e) < 0)
                return -1;
        for (size_t i = 0; i < t->n_arguments; i++) {
                char what[100];
                snprintf(what, sizeof what, "argument %s", t->arguments[i].name);
                if (!q->values[i])
                        continue;
                if (task.n_arguments == CODEC_ARGUMENTS_MAX)
                        return err_set(e, ERR_INPUT, "", "more than %d arguments",
                                       CODEC_ARGUMENTS_MAX);
                if (check_text(what, q->values[i], true, e) < 0)
                        return -1;
                list[task.n_arguments++] = (struct argument){ span_of(t->arguments[i].name),
                                                              span_of(q->values[i]) };
        }
        return task_validate_form(&task, e) < 0 ? -1 : task_validate(t, &task, &ignored, e);
}

void task_request_for_others(const struct cli *c, const struct task_type *t, const char **values)
{
        for (size_t i = 0; c->actor_given && i < t->n_arguments; i++)
                if (t->arguments[i].for_others && !values[i])
                        values[i] = c->actor_given;
}
