/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Bytes as hexadecimal digits, lower case, and back. */
#include <stddef.h>
#include <stdint.h>

/* Writes 2·n digits, without a NUL, and returns where they end. */
char *hex_encode(char *to, const uint8_t *from, size_t n);
int hex_value(int c); /* of one digit in either case; -1: it is none */
