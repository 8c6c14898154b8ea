/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Encodes messages in Avro single-object encoding, with our own schemas. */
#include "model/messages.h"

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
