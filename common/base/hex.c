/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal digits: of ids, of trace headers, of bytes that came from the database as text. */
#include "base/hex.h"

char *hex_encode(char *to, const uint8_t *from, size_t n)
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < n; i++) {
                *to++ = digits[from[i] >> 4];
                *to++ = digits[from[i] & 15];
        }
        return to;
}

int hex_value(int c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}
