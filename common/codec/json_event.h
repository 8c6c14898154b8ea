/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A service's request as JSON: a CloudEvent 1.0, structured (the whole event is the value) or
 * binary (its attributes are Kafka headers, the value is its data). docs/messages.md describes what
 * the data may hold. Strict: unknown fields, names given twice, numbers that a text could not
 * repeat exactly, and anything beyond the limits are refused.
 */
#include "codec/codec.h"

enum {
        JSON_EVENT_MAX = 1024 * 1024, /* bytes */
        JSON_DEPTH_MAX = 8,
        JSON_VALUES_MAX = 1024, /* fields and elements, all together */
};

struct event_attributes { /* of a binary event; ptr NULL: absent */
        struct span specversion, id, source, type, subject;
};

/* `attributes` NULL: structured. `service` is part of an id that is derived; the task's actor is
 * left to the caller. Spans point into `a`. ERR_INPUT saying what is wrong, without values; what
 * was read until then is in `ret`, the id first, so that the sender can be answered. */
int json_event_task(struct span json, const struct event_attributes *attributes,
                    struct span service, struct arena *a, struct task *ret, struct err *e)
        MUST_CHECK;

/* The task id of an event: its id when that is a UUID, else UUIDv5(service, source, id). */
struct uuid event_task_id(struct span service, struct span source, struct span id);
