#pragma once
/*
 * A position and its log. What was taken last is known by a digest of its message
 * (kafka_message_digest): a log that has another message there, or ends before it, is not the one
 * that the position is of.
 */
#include "db/db.h"

enum log_fit {
        LOG_FITS,
        LOG_DELETED, /* begins above the position: messages were deleted before they were taken */
        LOG_SHORT,   /* ends below the position: the topic was made anew, or the log was cut off */
        LOG_OTHER,   /* has another message before the position: the topic was made anew */
};

struct log_gap {
        enum log_fit fit;
        const char *topic;
        int32_t partition;
        int source_no;
        int64_t epoch; /* of the position, as it was read */
        /* the position; the log's first offset and the one after its last */
        int64_t next, low, high;
};

/* By the offsets alone: not LOG_OTHER. */
enum log_fit log_compare(int64_t next, int64_t low, int64_t high);
/* What is wrong, in a sentence. */
void log_gap_text(const struct log_gap *g, char *text, size_t size);
/* Moves the position to the log's beginning, and asks for what was lost. `by`: who does it. 0; 1:
 * the position was somebody else's meanwhile; -1. */
int log_gap_repair(struct db *d, const struct log_gap *g, const char *by, struct err *e) MUST_CHECK;
/* The same as an operator's wish, which is written down. `on_behalf_of` may be NULL. */
int log_gap_request_repair(struct db *d, const struct log_gap *g, const char *on_behalf_of,
                           struct err *e) MUST_CHECK;
