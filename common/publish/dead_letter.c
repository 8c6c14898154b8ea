#include "publish/dead_letter.h"

#include "base/utf8.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 512, REASON_MAX = 300 };

/* Namespace of the ids of dead letters: made once, at random. */
static const struct uuid letter_space = { { 0x5d, 0x0c, 0x6b, 0x0e, 0x4a, 0x8f, 0x4d, 0x1b, 0x9c,
                                            0x52, 0x0a, 0x6e, 0x71, 0x3f, 0xd8, 0x24 } };

struct uuid dead_letter_id(const struct letter_origin *o)
{
        char name[NAME_MAX_BYTES];
        int n = snprintf(name, sizeof name, "%s%c%s%c%d%c%d%c%lld%c%d", o->cluster, '\0', o->topic,
                         '\0', (int)o->partition, '\0', o->source_no, '\0', (long long)o->offset,
                         '\0', o->attempts);
        return uuid_v5(letter_space, name, (size_t)n);
}

void dead_letter_reason(struct span reason, const char *more, struct buf *out)
{
        char text[REASON_MAX + 1];
        size_t len = reason.len < REASON_MAX ? reason.len : REASON_MAX;
        for (size_t i = 0; i < len; i++) /* whatever the message was */
                text[i] = (unsigned char)reason.ptr[i] < 0x20 || reason.ptr[i] == 0x7f
                                  ? '?'
                                  : reason.ptr[i];
        text[len] = '\0';
        utf8_clean(text);
        buf_adds(out, text);
        buf_adds(out, more);
}

void dead_letter_not_kept(struct span reason, size_t bytes, struct buf *out)
{
        char more[64];
        snprintf(more, sizeof more, "; its %zu bytes are not kept", bytes);
        dead_letter_reason(reason, more, out);
}
