/* Texts from servers, scripts and programs of others are whatever bytes they are; what leaves us is
 * UTF-8. */
#include "base/utf8.h"

#include <stdbool.h>
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

void utf8_clean(char *text)
{
        size_t len = strlen(text);
        for (size_t i = 0; i < len;) {
                size_t n = utf8_length(text + i, len - i);
                if (n == 0)
                        text[i] = '?';
                i += n ? n : 1;
        }
}
