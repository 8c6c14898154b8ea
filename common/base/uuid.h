/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* RFC 9562 UUIDs as 16 bytes. Deterministic ids are version 5 (SHA-1 of a namespace and a name). */
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36

struct uuid {
        uint8_t b[16];
};

struct uuid uuid_v5(struct uuid space, const void *name, size_t len);
/* The name is the parts, joined by NUL. */
struct uuid uuid_v5_joined(struct uuid space, const struct span *parts, size_t n);
struct uuid uuid_random(void);                                   /* version 4 */
bool uuid_parse(const char *text, size_t len, struct uuid *ret); /* any case, with dashes */
void uuid_to_text(struct uuid u, char text[UUID_TEXT_LEN + 1]);  /* lower case */
bool uuid_eq(struct uuid a, struct uuid b);
bool uuid_is_nil(struct uuid u);

/* A digest of a set of ids, whatever their order: the XOR of their halves, big-endian. */
struct uuid_digest {
        uint64_t a, b;
};

void uuid_digest_add(struct uuid_digest *d, struct uuid u);
