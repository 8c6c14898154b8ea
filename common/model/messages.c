/* SPDX-License-Identifier: Apache-2.0 */
/* The ids of runs, tasks and events. */
#include "model/messages.h"

/* The namespace of run ids, 5f0c8a52-3b6e-4f5e-9d0a-7c1e2b9a4d11. Never changes: every id on the
 * topics is derived from it. */
static const struct uuid run_space = { { 0x5f, 0x0c, 0x8a, 0x52, 0x3b, 0x6e, 0x4f, 0x5e, 0x9d, 0x0a,
                                         0x7c, 0x1e, 0x2b, 0x9a, 0x4d, 0x11 } };

/* Decimal, at the end of `text`. Faster than snprintf: each event's id has an attempt in it. */
static struct span decimal(int64_t value, char text[24])
{
        // cppcheck-suppress ctuPointerArith ; one past the end of 24 characters
        char *end = text + 24, *p = end;
        uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        do
                *--p = (char)('0' + left % 10);
        while (left /= 10);
        if (value < 0)
                *--p = '-';
        return (struct span){ p, (size_t)(end - p) };
}

/* No text of a message holds NUL, by which the parts of a name are joined: different parts never
 * give the same name. */

struct uuid run_id_of(struct span pack, struct span job, instant scheduled_at)
{
        char text[24];
        const struct span name[] = { pack, job, decimal(scheduled_at, text) };
        return uuid_v5_joined(run_space, name, ARRAY_LEN(name));
}

struct uuid task_id_of(struct uuid run_id, struct span type, struct span subject, struct span item)
{
        const struct span name[] = { type, subject, item };
        return uuid_v5_joined(run_id, name, ARRAY_LEN(name));
}

struct uuid event_id_of(struct uuid task_id, int32_t attempt, enum outcome outcome)
{
        char text[24];
        const struct span name[] = { decimal(attempt, text), span_of(outcome_name(outcome)) };
        return uuid_v5_joined(task_id, name, ARRAY_LEN(name));
}
