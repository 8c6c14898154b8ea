/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Decodes messages in Avro single-object encoding (C3 01, CRC-64-AVRO fingerprint, binary body).
 * Our own schemas go through a bounded decoder that never allocates by a length in the message; any
 * other writer schema found in the schema folder is read by avro-c through schema resolution, after
 * its lengths were checked.
 */
#include "base/err.h"
#include "codec/encode.h"

/* The full name of a kind's schema: "rollcall.Task". */
const char *message_name(enum message_kind kind);

/* Our schemas and foreign writer schemas. Used by one thread at a time. */
struct codec;

/* `folder`: further writer schemas, *.avsc (older or newer versions of ours, other services' own
 * records that resolve to ours); NULL for none. A file that does not parse, or resolves to none of
 * our messages, is an error that names it. */
int codec_new(const char *folder, struct codec **ret, struct err *e) MUST_CHECK;
void codec_free(struct codec *c);
DEFINE_CLEANUP(codec_cleanup, struct codec, codec_free)

/* Adds the writer schema of an id of the Confluent wire format (00, a schema id of four bytes, the
 * body). Messages with other ids are refused. ERR_INPUT or ERR_FATAL: the schema does not resolve
 * to one of our messages. */
int codec_add_id(struct codec *c, uint32_t id, struct span schema, struct err *e) MUST_CHECK;
/* Is the message in that format, with an id that is not known? */
bool codec_wants_id(const struct codec *c, struct span bytes, uint32_t *ret_id);

/* The kind of a message, by its framing and fingerprint alone. ERR_INPUT: it cannot be decoded. */
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
