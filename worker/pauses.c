/* SPDX-License-Identifier: Apache-2.0 */
/* Which task types are paused, as far as a worker knows, and which are to be. */
#include "pauses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pauses_has(const struct pauses *p, int type_no)
{
        for (size_t i = 0; i < p->n; i++)
                if (p->list[i].type_no == type_no)
                        return true;
        for (size_t i = 0; i < p->n_fresh; i++)
                if (p->fresh[i].type_no == type_no)
                        return true;
        return false;
}

void pauses_read(struct pauses *p, const char *text)
{
        p->n = 0;
        while (*text && p->n < PAUSES_MAX) {
                char *end;
                int type_no = (int)strtol(text, &end, 10);
                if (end == text)
                        return;
                bool due = *end == '!';
                p->list[p->n++] = (struct paused){ type_no, due };
                text = end + due;
                text += *text == ',';
        }
}

bool pauses_add(struct pauses *p, const struct task_type *type, int type_no, const struct err *why,
                struct entry *const *list, size_t n)
{
        if (p->n_fresh == PAUSES_NEW)
                return false;
        struct new_pause *f = &p->fresh[p->n_fresh++];
        *f = (struct new_pause){ .type = type, .type_no = type_no, .why = *why };
        for (size_t i = 0; i < PAUSE_SAMPLES && i < n; i++)
                f->samples[f->n_samples++] =
                        list[n <= PAUSE_SAMPLES ? i : i * n / PAUSE_SAMPLES]->value;
        pauses_forget(p, type_no);
        return true;
}

void pauses_committed(struct pauses *p)
{
        for (size_t i = 0; i < p->n_fresh && p->n < PAUSES_MAX; i++)
                p->list[p->n++] = (struct paused){ p->fresh[i].type_no, false };
        p->n_fresh = 0;
}

bool pauses_count(struct pauses *p, int type_no, const char *code, size_t n)
{
        struct failing *f = NULL;
        for (size_t i = 0; i < p->n_failing; i++)
                if (p->failing[i].type_no == type_no)
                        f = &p->failing[i];
        if (!f) {
                if (p->n_failing == PAUSES_NEW) /* the oldest makes room */
                        memmove(p->failing, p->failing + 1, --p->n_failing * sizeof *p->failing);
                f = &p->failing[p->n_failing++];
                *f = (struct failing){ .type_no = type_no };
        }
        if (strcmp(f->code, code) != 0) {
                snprintf(f->code, sizeof f->code, "%.*s", SQLSTATE_MAX - 1, code);
                f->n = 0;
        }
        f->n += n;
        return f->n >= PAUSE_TASKS;
}

void pauses_forget(struct pauses *p, int type_no)
{
        for (size_t i = 0; i < p->n_failing; i++)
                if (p->failing[i].type_no == type_no) {
                        memmove(p->failing + i, p->failing + i + 1,
                                (--p->n_failing - i) * sizeof *p->failing);
                        return;
                }
}
