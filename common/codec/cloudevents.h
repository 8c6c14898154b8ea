/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* CloudEvents 1.0 Kafka binding (binary mode) and W3C trace context, as Kafka headers. */
#include "base/buf.h"
#include "base/uuid.h"
#include "codec/codec.h"

enum { EVENT_HEADERS = 5 };

enum { TRACE_PARENT_MAX = 56 };

/* The W3C's traceparent, "00-<trace id>-<span id>-01": `id`'s first eight bytes are the span's.
 * False: an id is zeros, which the W3C forbids. */
bool trace_parent(struct uuid trace, struct uuid id, char ret[TRACE_PARENT_MAX]);

struct event_header {
        const char *name;
        struct span value; /* points into the struct event_headers or at static text */
};

struct event_headers {
        struct event_header list[EVENT_HEADERS];
        size_t count;
        char id[UUID_TEXT_LEN + 1], trace[TRACE_PARENT_MAX];
};

/* What CloudEvents requires, since each header of each message costs a millionfold: ce_specversion,
 * ce_id, ce_type ("rollcall.task.v1" …) and ce_source; and a traceparent, unless `trace`, the
 * trace's id, is nil. `source` ("/rollcall/scheduler") must outlive `ret`. */
void event_headers(enum message_kind kind, struct uuid id, struct uuid trace, const char *source,
                   struct event_headers *ret);
