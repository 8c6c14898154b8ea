#pragma once
/*
 * Avro single-object encoding (C3 01, CRC-64-AVRO fingerprint, binary body) of the messages in
 * messages.h. Our own schemas go through a bounded codec that never allocates by a length in the
 * message; any other writer schema found in the schema folder is read by avro-c through schema
 * resolution, after its lengths were checked.
 */
#include "base/err.h"
#include "codec/messages.h"

enum message_kind {
        MESSAGE_TASK,
        MESSAGE_OUTCOME,
        MESSAGE_RUN,
        MESSAGE_DEAD_LETTER,
        MESSAGE_KIND_COUNT
};

enum {
        CODEC_TEXT_MAX = 64 * 1024,    /* bytes of one text */
        CODEC_BYTES_MAX = 1024 * 1024, /* bytes of a dead letter's original */
        CODEC_ARGUMENTS_MAX = 64,
};

/* Append to `out`, which fails (like an append past its maximum) when a value is past the limits
 * above. It needs up to 256 bytes of room more than the message has, and 20 per argument. A byte
 * that makes a text invalid UTF-8, or U+0000, is written as '?': an error's text that was cut
 * within a character must not make the message that reports it unreadable. */
void task_encode(const struct task *m, struct buf *out);
void outcome_encode(const struct outcome_event *m, struct buf *out);
void run_encode(const struct run_event *m, struct buf *out);
void dead_letter_encode(const struct dead_letter *m, struct buf *out);

/* The JSON text of a message kind's schema as shipped, its full name ("rollcall.Task"), and its
 * CRC-64-AVRO fingerprint. */
const char *message_schema(enum message_kind kind);
const char *message_name(enum message_kind kind);
uint64_t message_fingerprint(enum message_kind kind);

/* A reader: our schemas, and foreign writer schemas. Used by one thread at a time. */
struct codec;

/* `folder`: further writer schemas, *.avsc (older or newer versions of ours, other services' own
 * records that resolve to ours); NULL for none. A file that does not parse, or resolves to none of
 * our messages, is an error that names it. */
int codec_new(const char *folder, struct codec **ret, struct err *e) MUST_CHECK;
void codec_free(struct codec *c);
DEFINE_CLEANUP(codec_cleanup, struct codec, codec_free)

/* The Confluent wire format (00, a schema id of four bytes, the body): the writer schema of that
 * id. Without it such messages are refused. ERR_INPUT or ERR_FATAL when the schema is none of our
 * messages'. */
int codec_add_id(struct codec *c, uint32_t id, struct span schema, struct err *e) MUST_CHECK;
/* Is it in that format, with an id that is not known? */
bool codec_wants_id(const struct codec *c, struct span bytes, uint32_t *ret_id);

/* What a message claims to be, from its framing and fingerprint alone. ERR_INPUT when it is not
 * ours to read. */
int codec_kind(const struct codec *c, struct span bytes, enum message_kind *ret, struct err *e)
        MUST_CHECK;

/* Decode one message. Spans point into `bytes` or into `a`. Trailing bytes, lengths past the end or
 * past the limits above, bad enum values, invalid UTF-8 in a text: ERR_INPUT, saying which field.
 */
int task_decode(struct codec *c, struct span bytes, struct arena *a, struct task *ret,
                struct err *e) MUST_CHECK;
int outcome_decode(struct codec *c, struct span bytes, struct arena *a, struct outcome_event *ret,
                   struct err *e) MUST_CHECK;
int run_decode(struct codec *c, struct span bytes, struct arena *a, struct run_event *ret,
               struct err *e) MUST_CHECK;
int dead_letter_decode(struct codec *c, struct span bytes, struct arena *a, struct dead_letter *ret,
                       struct err *e) MUST_CHECK;
