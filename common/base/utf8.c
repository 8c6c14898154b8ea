/* SPDX-License-Identifier: Apache-2.0 */
/* Texts from servers, scripts and programs of others are whatever bytes they are; what leaves us is
 * UTF-8. */
#include "base/utf8.h"

#include <string.h>

size_t utf8_length(const char *s, size_t len)
{
        const unsigned char *u = (const unsigned char *)s;
        if (u[0] < 0x80)
                return 1;
        size_t n = u[0] >= 0xc2 && u[0] <= 0xdf   ? 2
                   : (u[0] & 0xf0) == 0xe0        ? 3
                   : u[0] >= 0xf0 && u[0] <= 0xf4 ? 4
                                                  : 0;
        if (n == 0 || n > len)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((u[i] & 0xc0) != 0x80)
                        return 0;
        bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
        bool outside = (u[0] == 0xed && u[1] >= 0xa0) || (u[0] == 0xf4 && u[1] >= 0x90);
        return overlong || outside ? 0 : n;
}

/* Length of the longest beginning of `s` that is ASCII without NUL; a word at a time, as nearly all
 * text is. */
static size_t ascii_prefix(const char *s, size_t len)
{
        size_t i = 0;
        for (uint64_t w; len - i >= sizeof w; i += sizeof w) {
                memcpy(&w, s + i, sizeof w);
                if ((w | (w - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080))
                        break;
        }
        while (i < len && s[i] > 0)
                i++;
        return i;
}

/* Length of the longest beginning of `s` that is valid. */
static size_t valid_prefix(const char *s, size_t len)
{
        size_t i = 0;
        if (len == 0)
                return 0; /* of no text at all: `s` may be NULL, to which nothing can be added */
        while ((i += ascii_prefix(s + i, len - i)) < len) {
                size_t n = s[i] ? utf8_length(s + i, len - i) : 0;
                if (n == 0)
                        break;
                i += n;
        }
        return i;
}

bool utf8_valid(const char *s, size_t len)
{
        return valid_prefix(s, len) == len;
}

struct span utf8_cut(struct span s, size_t max)
{
        if (s.len <= max)
                return s;
        s.len = max;
        while (s.len && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
                s.len--;
        return s;
}

void utf8_sanitize(char *s, size_t len)
{
        for (size_t i = 0; i < len && (i += valid_prefix(s + i, len - i)) < len;)
                s[i] = '?';
}

void utf8_clean(char *text)
{
        utf8_sanitize(text, strlen(text));
}
