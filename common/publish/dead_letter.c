/* SPDX-License-Identifier: Apache-2.0 */
/* Builds and publishes dead letters. */
#include "publish/dead_letter.h"

#include "base/utf8.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 512, REASON_MAX = 300 };

/* The namespace of the ids of dead letters, a random UUID. It never changes. */
static const struct uuid id_space = { { 0x5d, 0x0c, 0x6b, 0x0e, 0x4a, 0x8f, 0x4d, 0x1b, 0x9c, 0x52,
                                        0x0a, 0x6e, 0x71, 0x3f, 0xd8, 0x24 } };

struct uuid dead_letter_id(const struct dead_letter_origin *o)
{
        char name[NAME_MAX_BYTES];
        int n = snprintf(name, sizeof name, "%s%c%s%c%d%c%d%c%lld%c%d", o->cluster, '\0', o->topic,
                         '\0', (int)o->partition, '\0', o->source_no, '\0', (long long)o->offset,
                         '\0', o->attempts);
        return uuid_v5(id_space, name, (size_t)n);
}

void dead_letter_reason(struct span reason, const char *more, struct buf *out)
{
        char text[REASON_MAX + 1];
        size_t len = reason.len < REASON_MAX ? reason.len : REASON_MAX;
        for (size_t i = 0; i < len; i++) /* the message may be anything */
                text[i] = (unsigned char)reason.ptr[i] < 0x20 || reason.ptr[i] == 0x7f
                                  ? '?'
                                  : reason.ptr[i];
        text[len] = '\0';
        utf8_clean(text);
        buf_adds(out, text);
        buf_adds(out, more);
}

void dead_letter_keep(struct span reason, struct span *key, struct span *value, struct buf *out)
{
        char more[64] = "";
        size_t size = key->len + value->len;
        if (size > DEAD_LETTER_KEPT_MAX) {
                snprintf(more, sizeof more, "; its %zu bytes are not kept", size);
                *key = *value = (struct span){ 0 };
        }
        dead_letter_reason(reason, more, out);
}

struct dead_letter dead_letter_event(const struct dead_letter_post *d, struct buf *reason)
{
        char more[64] = "";
        bool large = d->key.len + d->value.len > DEAD_LETTER_PUBLISHED_MAX;
        if (large)
                snprintf(more, sizeof more, "; its bytes are in rollcall.%s", d->table);
        dead_letter_reason(d->reason, more, reason);
        return (struct dead_letter){
                .event_id = dead_letter_id(&d->origin),
                .topic = span_of(d->origin.topic),
                .partition = d->origin.partition,
                .offset = d->origin.offset,
                .reason = { buf_str(reason), reason->len },
                .attempts = d->origin.attempts,
                .at = d->at,
                .key = large ? (struct span){ 0 } : d->key,
                .value = large ? (struct span){ 0 } : d->value,
        };
}

int publish_dead_letter(struct publisher *p, const struct dead_letter_post *d, uint64_t token,
                        struct err *e)
{
        BUF_CLEANUP struct buf reason;
        buf_init(&reason, DEAD_LETTER_REASON_MAX);
        const struct dead_letter m = dead_letter_event(d, &reason);
        return publish_dead_letter_event(p, &m, token, e);
}
