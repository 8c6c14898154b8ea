#pragma once
/* CloudEvents 1.0 Kafka binding (binary mode) and W3C trace context, as Kafka headers. */
#include "base/buf.h"
#include "base/instant.h"
#include "base/uuid.h"
#include "codec/codec.h"

enum { EVENT_HEADERS = 8 };

struct event_header {
        const char *name;
        struct span value; /* points into the struct event_headers or at static text */
};

struct event_headers {
        struct event_header list[EVENT_HEADERS];
        size_t count;
        char id[UUID_TEXT_LEN + 1], time[INSTANT_TEXT_MAX], trace[56];
};

/* ce_specversion, ce_id, ce_type ("rollcall.task.v1" …), ce_source, ce_time, ce_subject, content-type, traceparent.
 * `trace` is the trace's id (the run's id; for an ad-hoc task its own id), `id`'s first eight bytes become the span id.
 * `source` ("/rollcall/scheduler") and `subject` must outlive `ret`. */
void event_headers(enum message_kind kind, struct uuid id, struct uuid trace, const char *source, instant at, struct span subject,
                   struct event_headers *ret);
