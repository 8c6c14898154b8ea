/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* UTF-8 as PostgreSQL takes it: no overlong forms, no surrogates, no U+0000. */
#include "base/buf.h"

/* Bytes of the character at `s`, `len` of them left; 0: not UTF-8. `len` is at least 1. */
size_t utf8_length(const char *s, size_t len);

bool utf8_valid(const char *s, size_t len);

/* The longest beginning of `s` of at most `max` bytes that ends between characters. */
struct span utf8_cut(struct span s, size_t max);

/* Replaces each byte that is not part of a character, and each NUL, by '?': what comes from
 * elsewhere, or was cut, goes into the database and into messages. */
void utf8_sanitize(char *s, size_t len);
void utf8_clean(char *text); /* the same, of a C string */
