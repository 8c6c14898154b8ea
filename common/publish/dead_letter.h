/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Dead letters: their ids, limits and texts, the same for every program that publishes them. */
#include "base/buf.h"
#include "base/uuid.h"
#include "publish/publish.h"

enum {
        /* bytes of an original, key and value, that the table rollcall.dead_letter keeps */
        DEAD_LETTER_KEPT_MAX = 1024 * 1024,
        /* of those, what goes to the topic: a broker takes 1 MiB, and our fields are added */
        DEAD_LETTER_PUBLISHED_MAX = 900000,
        DEAD_LETTER_REASON_MAX = 500, /* bytes of a reason with what is added to it */
};

/* Where the original was consumed. */
struct dead_letter_origin {
        const char *cluster, *topic;
        int32_t partition;
        int source_no; /* of rollcall.position: another one if the topic was re-created */
        int64_t offset;
        int attempts;
};

/* The same id for the same message and attempt, whoever publishes it; another one for another
 * message at the same offset of a re-created topic. docs/messages.md. */
struct uuid dead_letter_id(const struct dead_letter_origin *o);

/* A reason as it is kept: one line of plain text, at most 300 bytes, followed by `more`. */
void dead_letter_reason(struct span reason, const char *more, struct buf *out);

/* The reason to be stored with an original, whose bytes are kept only if they are few enough: else
 * that is added to the reason, and `key` and `value` become absent. */
void dead_letter_keep(struct span reason, struct span *key, struct span *value, struct buf *out);

/* What is to be published. */
struct dead_letter_post {
        struct dead_letter_origin origin;
        struct span reason, key, value; /* as they are stored */
        instant at;
        const char *table; /* that has the bytes if they are too many for the topic */
};

/* Publishes a dead letter. Not negative: enum publish_result. -1: error. */
int publish_dead_letter(struct publisher *p, const struct dead_letter_post *d, uint64_t token,
                        struct err *e) MUST_CHECK;
/* The event that it publishes; `reason` has room for DEAD_LETTER_REASON_MAX bytes, and the event
 * points into it. */
struct dead_letter dead_letter_event(const struct dead_letter_post *d, struct buf *reason);
