/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* CloudEvents 1.0 Kafka binding (binary mode) and W3C trace context, as Kafka headers. */
#include "base/buf.h"
#include "base/instant.h"
#include "base/uuid.h"
#include "codec/codec.h"

enum { EVENT_HEADERS = 8 };

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
        char id[UUID_TEXT_LEN + 1], time[INSTANT_TEXT_MAX], trace[TRACE_PARENT_MAX];
};

/* ce_specversion, ce_id, ce_type ("rollcall.task.v1" …), ce_source, ce_time, ce_subject,
 * content-type, traceparent. `trace` is the trace's id (the run's id; for an ad-hoc task its own
 * id). `source` ("/rollcall/scheduler") and `subject` must outlive `ret`. */
void event_headers(enum message_kind kind, struct uuid id, struct uuid trace, const char *source,
                   instant at, struct span subject, struct event_headers *ret);
