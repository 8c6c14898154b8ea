/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What each message is made of: one table that encoding, decoding and the reading of foreign
 * schemas walk. */
#include "model/messages.h"

enum field_type {
        FIELD_UUID,       /* struct uuid */
        FIELD_UUID_NULL,  /* struct uuid; nil is null */
        FIELD_TEXT,       /* struct span */
        FIELD_TEXT_NULL,  /* struct span, may be absent */
        FIELD_BYTES_NULL, /* struct span, may be absent */
        FIELD_LONG,       /* int64_t */
        FIELD_INT,        /* int32_t */
        FIELD_BOOL,
        FIELD_OUTCOME,   /* enum outcome */
        FIELD_ARGUMENTS, /* struct task's arguments and n_arguments */
};

struct field {
        const char *name;
        enum field_type type;
        unsigned offset;  /* of the value within the message's struct */
        bool has_default; /* in the schema; every default is null, zero, false or empty */
};

struct spec {
        const char *name;       /* "rollcall.Task" */
        const char *event_type; /* CloudEvents' ce_type */
        const char *schema;     /* JSON */
        uint64_t fingerprint;
        const struct field *fields; /* in the schema's order */
        size_t n_fields;
};

extern const struct spec specs[MESSAGE_KIND_COUNT];

enum { FRAME_LEN = 10 }; /* C3 01 and the fingerprint, little-endian */
