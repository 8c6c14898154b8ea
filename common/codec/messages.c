#include "codec/messages.h"

#include "codec/codec.h"

#include <string.h>

/* The namespace of run ids, 5f0c8a52-3b6e-4f5e-9d0a-7c1e2b9a4d11. Never changes: every id on the topics hangs from it. */
static const struct uuid run_space = { { 0x5f, 0x0c, 0x8a, 0x52, 0x3b, 0x6e, 0x4f, 0x5e, 0x9d, 0x0a, 0x7c, 0x1e, 0x2b, 0x9a, 0x4d, 0x11 } };

static const char *const outcome_names[OUTCOME_COUNT] = { "applied", "skipped", "failed", "quarantined", "unknown" };

const char *outcome_name(enum outcome o)
{
        return (unsigned)o < OUTCOME_COUNT ? outcome_names[o] : "?";
}

bool outcome_from_name(struct span name, enum outcome *ret)
{
        for (int i = 0; i < OUTCOME_COUNT; i++)
                if (span_is(name, outcome_names[i])) {
                        *ret = (enum outcome)i;
                        return true;
                }
        return false;
}

/* Parts joined by NUL, which no text of a message may hold, so that different parts never give the same name. A text past what a message
 * can carry is cut: no such message exists. */
struct name {
        size_t len, parts;
        char text[3 * (CODEC_TEXT_MAX + 1)];
};

static void add_part(struct name *n, struct span part)
{
        size_t len = part.len < CODEC_TEXT_MAX ? part.len : CODEC_TEXT_MAX;
        if (n->parts++)
                n->text[n->len++] = '\0';
        if (len)
                memcpy(n->text + n->len, part.ptr, len);
        n->len += len;
}

/* Decimal. Each event's id has an attempt in it, and snprintf would take as long as the digest. */
static void add_number(struct name *n, int64_t value)
{
        char text[24], *end = text + sizeof text, *p = end;
        uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        do
                *--p = (char)('0' + left % 10);
        while (left /= 10);
        if (value < 0)
                *--p = '-';
        add_part(n, (struct span){ p, (size_t)(end - p) });
}

struct uuid run_id_of(struct span pack, struct span job, instant scheduled_at)
{
        struct name n;
        n.len = n.parts = 0;
        add_part(&n, pack);
        add_part(&n, job);
        add_number(&n, scheduled_at);
        return uuid_v5(run_space, n.text, n.len);
}

struct uuid task_id_of(struct uuid run_id, struct span type, struct span subject, struct span item)
{
        struct name n;
        n.len = n.parts = 0;
        add_part(&n, type);
        add_part(&n, subject);
        add_part(&n, item);
        return uuid_v5(run_id, n.text, n.len);
}

struct uuid event_id_of(struct uuid task_id, int32_t attempt, enum outcome outcome)
{
        struct name n;
        n.len = n.parts = 0;
        add_number(&n, attempt);
        add_part(&n, span_of(outcome_name(outcome)));
        return uuid_v5(task_id, n.text, n.len);
}
