#pragma once
/* What the programs that set messages aside agree on: ids, limits and texts of dead letters. */
#include "base/buf.h"
#include "base/uuid.h"

enum {
        /* bytes of an original, key and value, that rollcall.dead_letter keeps */
        LETTER_KEPT_MAX = 1024 * 1024,
        /* of those that go to the topic: a broker takes 1 MiB, and we add to it */
        LETTER_PUBLISHED_MAX = 900000,
};

struct letter_origin {
        const char *cluster, *topic;
        int32_t partition;
        int source_no; /* of the log: a topic that was made anew has another one */
        int64_t offset;
        int attempts;
};

/* The same for the same message and attempt, whoever publishes it; another one for another message
 * at the same place of another log. docs/messages.md. */
struct uuid dead_letter_id(const struct letter_origin *o);

/* A reason as it is kept: one line of plain text, of 300 bytes at most, with `more` behind it. */
void dead_letter_reason(struct span reason, const char *more, struct buf *out);
/* The same, with what is to be said of an original that is too large to be kept: `bytes` of it. */
void dead_letter_not_kept(struct span reason, size_t bytes, struct buf *out);
