/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the fields of a message's spec, after a bound of its size was reserved. */
#include "codec/encode.h"

#include "base/utf8.h"
#include "codec/spec.h"
#include "codec/wire.h"

static const void *at_offset(const void *m, const struct field *f)
{
        return (const char *)m + f->offset;
}

/* An upper bound of the field's bytes; 0 when it holds more than a reader would take. */
static size_t field_bound(const struct field *f, const void *m)
{
        const struct span *s = at_offset(m, f);
        switch (f->type) {
        case FIELD_UUID:
        case FIELD_UUID_NULL:
                return 1 + sizeof(struct uuid);
        case FIELD_TEXT:
        case FIELD_TEXT_NULL:
                return s->len <= CODEC_TEXT_MAX ? 1 + WIRE_LONG_MAX + s->len : 0;
        case FIELD_BYTES_NULL:
                return s->len <= CODEC_BYTES_MAX ? 1 + WIRE_LONG_MAX + s->len : 0;
        case FIELD_OUTCOME:
                return (unsigned)*(const enum outcome *)at_offset(m, f) < OUTCOME_COUNT ? 1 : 0;
        case FIELD_ARGUMENTS: {
                const struct task *t = m;
                size_t sum = 2 * WIRE_LONG_MAX;
                if (t->n_arguments > CODEC_ARGUMENTS_MAX)
                        return 0;
                for (size_t i = 0; i < t->n_arguments; i++) {
                        const struct argument *a = &t->arguments[i];
                        if (a->name.len > CODEC_TEXT_MAX || a->value.len > CODEC_TEXT_MAX)
                                return 0;
                        sum += 2 * WIRE_LONG_MAX + a->name.len + a->value.len;
                }
                return sum;
        }
        case FIELD_LONG:
        case FIELD_INT:
        case FIELD_BOOL:
                return WIRE_LONG_MAX;
        }
        return 0;
}

static uint8_t *put_text(uint8_t *at, struct span s)
{
        at = wire_put_bytes(at, s);
        utf8_sanitize((char *)at - s.len, s.len);
        return at;
}

static uint8_t *put_uuid(uint8_t *at, const struct uuid *u)
{
        memcpy(at, u->b, sizeof u->b);
        return at + sizeof u->b;
}

static uint8_t *put_arguments(uint8_t *at, const struct task *t)
{
        if (t->n_arguments) {
                at = wire_put_long(at, (int64_t)t->n_arguments);
                for (size_t i = 0; i < t->n_arguments; i++) {
                        at = put_text(at, t->arguments[i].name);
                        at = put_text(at, t->arguments[i].value);
                }
        }
        return wire_put_long(at, 0);
}

static uint8_t *put_field(uint8_t *at, const struct field *f, const void *m)
{
        const void *v = at_offset(m, f);
        const struct span *s = v;
        switch (f->type) {
        case FIELD_UUID:
                return put_uuid(at, v);
        case FIELD_UUID_NULL:
                if (uuid_is_nil(*(const struct uuid *)v))
                        return wire_put_long(at, 0);
                return put_uuid(wire_put_long(at, 1), v);
        case FIELD_TEXT:
                return put_text(at, *s);
        case FIELD_TEXT_NULL:
                return s->ptr ? put_text(wire_put_long(at, 1), *s) : wire_put_long(at, 0);
        case FIELD_BYTES_NULL:
                return s->ptr ? wire_put_bytes(wire_put_long(at, 1), *s) : wire_put_long(at, 0);
        case FIELD_LONG:
                return wire_put_long(at, *(const int64_t *)v);
        case FIELD_INT:
                return wire_put_long(at, *(const int32_t *)v);
        case FIELD_BOOL:
                *at = *(const bool *)v ? 1 : 0;
                return at + 1;
        case FIELD_OUTCOME:
                return wire_put_long(at, (int64_t)*(const enum outcome *)v);
        case FIELD_ARGUMENTS:
                return put_arguments(at, m);
        }
        return at;
}

static void encode(enum message_kind kind, const void *m, struct buf *out)
{
        const struct spec *spec = &specs[kind];
        size_t bound = FRAME_LEN;
        for (size_t i = 0; i < spec->n_fields; i++) {
                size_t n = field_bound(&spec->fields[i], m);
                if (n == 0) {
                        out->failed = true;
                        return;
                }
                bound += n;
        }
        uint8_t *start = buf_grow(out, bound);
        if (!start)
                return;
        uint8_t *at = start;
        *at++ = 0xc3;
        *at++ = 0x01;
        for (unsigned i = 0; i < 8; i++)
                *at++ = (uint8_t)(spec->fingerprint >> 8 * i);
        for (size_t i = 0; i < spec->n_fields; i++)
                at = put_field(at, &spec->fields[i], m);
        out->len -= bound - (size_t)(at - start);
        out->data[out->len] = '\0';
}

void task_encode(const struct task *m, struct buf *out)
{
        encode(MESSAGE_TASK, m, out);
}

void outcome_encode(const struct outcome_event *m, struct buf *out)
{
        encode(MESSAGE_OUTCOME, m, out);
}

void run_encode(const struct run_event *m, struct buf *out)
{
        encode(MESSAGE_RUN, m, out);
}

void dead_letter_encode(const struct dead_letter *m, struct buf *out)
{
        encode(MESSAGE_DEAD_LETTER, m, out);
}
