/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of a message: CloudEvents 1.0 and W3C trace context. */
#include "codec/cloudevents.h"

#include "base/hex.h"
#include "codec/spec.h"

#include <string.h>

static void add(struct event_headers *h, const char *name, struct span value)
{
        h->list[h->count++] = (struct event_header){ name, value };
}

static bool all_zero(const uint8_t *p, size_t n)
{
        while (n && !p[n - 1])
                n--;
        return n == 0;
}

bool trace_parent(struct uuid trace, struct uuid id, char ret[TRACE_PARENT_MAX])
{
        enum { SPAN_ID_LEN = 8 };
        if (all_zero(trace.b, sizeof trace.b) || all_zero(id.b, SPAN_ID_LEN))
                return false;
        memcpy(ret, "00-", 3);
        char *p = hex_encode(ret + 3, trace.b, sizeof trace.b);
        *p++ = '-';
        p = hex_encode(p, id.b, SPAN_ID_LEN);
        memcpy(p, "-01", 4);
        return true;
}

void event_headers(enum message_kind kind, struct uuid id, struct uuid trace, const char *source,
                   struct event_headers *ret)
{
        ret->count = 0;
        uuid_to_text(id, ret->id);
        add(ret, "ce_specversion", SPAN_LIT("1.0"));
        add(ret, "ce_id", (struct span){ ret->id, UUID_TEXT_LEN });
        add(ret, "ce_type", span_of(specs[kind].event_type));
        add(ret, "ce_source", span_of(source));
        if (trace_parent(trace, id, ret->trace))
                add(ret, "traceparent", span_of(ret->trace));
}
