/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages with random contents from a fixed seed, for the tests of the codec and its driver. */
#include "codec/codec.h"

struct sampler {
        uint64_t state;      /* any but 0 */
        struct arena *arena; /* holds the texts */
};

uint64_t sample_number(struct sampler *s, uint64_t below);
void sample_task(struct sampler *s, struct task *ret);
void sample_outcome(struct sampler *s, struct outcome_event *ret);
void sample_run(struct sampler *s, struct run_event *ret);
void sample_dead_letter(struct sampler *s, struct dead_letter *ret);

/* One of the kind, encoded and appended. */
void sample_encoded(struct sampler *s, enum message_kind kind, struct buf *out);

/* Decodes `bytes` as `kind` and appends it to `again`, encoded with our own schema. */
int sample_transcode(struct codec *c, enum message_kind kind, struct span bytes, struct arena *a,
                     struct buf *again, struct err *e) MUST_CHECK;
