#pragma once
/* UTF-8 as PostgreSQL takes it: no overlong forms, no surrogates. */
#include <stddef.h>

/* Bytes of the character at `s`, `len` of them left; 0: not UTF-8. `len` is at least 1. */
size_t utf8_length(const char *s, size_t len);

/* Replaces each byte that is not part of a character by '?': what comes from elsewhere, or was cut,
 * goes into the database and into messages. */
void utf8_clean(char *text);
