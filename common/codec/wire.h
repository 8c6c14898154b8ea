/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Avro's binary primitives, bounded: nothing is read past the end, no length is believed before it
 * was compared with what is left. The first thing that is wrong is kept in `bad` and every later
 * read gives zero, so callers check once per field.
 */
#include "base/buf.h"
#include <string.h>

struct wire_in {
        const uint8_t *at, *end;
        const char *bad; /* static text; NULL: fine so far */
};

static inline size_t wire_left(const struct wire_in *in)
{
        return (size_t)(in->end - in->at);
}

static inline void wire_bad(struct wire_in *in, const char *what)
{
        if (!in->bad)
                in->bad = what;
        in->at = in->end;
}

static inline int64_t wire_long(struct wire_in *in)
{
        uint64_t v = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
                if (in->at == in->end) {
                        wire_bad(in, "the message ends within a number");
                        return 0;
                }
                uint8_t b = *in->at++;
                if (shift == 63 && b > 1)
                        break;
                v |= (uint64_t)(b & 0x7f) << shift;
                if (!(b & 0x80))
                        return (int64_t)(v >> 1 ^ (0 - (v & 1)));
        }
        wire_bad(in, "a number longer than 64 bits");
        return 0;
}

static inline int32_t wire_int(struct wire_in *in)
{
        int64_t v = wire_long(in);
        if (v < INT32_MIN || v > INT32_MAX) {
                wire_bad(in, "a number longer than 32 bits");
                return 0;
        }
        return (int32_t)v;
}

static inline const uint8_t *wire_take(struct wire_in *in, size_t len)
{
        if (len > wire_left(in)) {
                wire_bad(in, "a length past the end of the message");
                return NULL;
        }
        const uint8_t *at = in->at;
        in->at += len;
        return at;
}

static inline bool wire_bool(struct wire_in *in)
{
        const uint8_t *b = wire_take(in, 1);
        if (b && *b > 1)
                wire_bad(in, "a boolean that is neither 0 nor 1");
        return b && *b == 1;
}

/* Of a length-prefixed value of at most `max` bytes. */
static inline struct span wire_bytes(struct wire_in *in, size_t max)
{
        int64_t len = wire_long(in);
        if (len < 0 || (uint64_t)len > max) {
                wire_bad(in, len < 0 ? "a negative length" : "a length past the limit");
                return (struct span){ 0 };
        }
        const uint8_t *at = wire_take(in, (size_t)len);
        return (struct span){ (const char *)at, at ? (size_t)len : 0 };
}

/* True for ["null", T]'s second branch. */
static inline bool wire_present(struct wire_in *in)
{
        int64_t branch = wire_long(in);
        if (branch != 0 && branch != 1)
                wire_bad(in, "a union branch that does not exist");
        return branch == 1;
}

/* The header of a map's or an array's next block: its number of items (0: there is none).
 * `ret_end`: where the block must end, NULL when it does not say. */
static inline uint64_t wire_block(struct wire_in *in, const uint8_t **ret_end)
{
        int64_t n = wire_long(in);
        *ret_end = NULL;
        if (n >= 0)
                return (uint64_t)n;
        int64_t size = wire_long(in);
        if (size < 0 || (uint64_t)size > wire_left(in)) {
                wire_bad(in, "a block past the end of the message");
                return 0;
        }
        *ret_end = in->at + size;
        return 0 - (uint64_t)n;
}

enum { WIRE_LONG_MAX = 10 }; /* bytes of the longest number */

static inline uint8_t *wire_put_long(uint8_t *at, int64_t value)
{
        uint64_t v = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
        for (; v > 0x7f; v >>= 7)
                *at++ = (uint8_t)(v | 0x80);
        *at++ = (uint8_t)v;
        return at;
}

static inline uint8_t *wire_put_bytes(uint8_t *at, struct span s)
{
        at = wire_put_long(at, (int64_t)s.len);
        if (s.len)
                memcpy(at, s.ptr, s.len);
        return at + s.len;
}
