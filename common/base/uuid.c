#include "base/uuid.h"

#include <string.h>
#include <uuid/uuid.h>

struct uuid uuid_v5(struct uuid space, const void *name, size_t len)
{
        struct uuid u;
        uuid_generate_sha1(u.b, space.b, name, len);
        return u;
}

struct uuid uuid_random(void)
{
        struct uuid u;
        uuid_generate_random(u.b);
        return u;
}

static int hex(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool uuid_from_text(const char *text, size_t len, struct uuid *ret)
{
        struct uuid u;
        if (len != UUID_TEXT_LEN)
                return false;
        for (size_t i = 0, n = 0; i < UUID_TEXT_LEN;) {
                if (i == 8 || i == 13 || i == 18 || i == 23) {
                        if (text[i++] != '-')
                                return false;
                        continue;
                }
                int hi = hex(text[i]), lo = hex(text[i + 1]);
                if (hi < 0 || lo < 0)
                        return false;
                u.b[n++] = (uint8_t)(hi << 4 | lo);
                i += 2;
        }
        *ret = u;
        return true;
}

void uuid_to_text(struct uuid u, char text[UUID_TEXT_LEN + 1])
{
        static const char digits[] = "0123456789abcdef";
        char *p = text;
        for (int i = 0; i < 16; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *p++ = '-';
                *p++ = digits[u.b[i] >> 4];
                *p++ = digits[u.b[i] & 15];
        }
        *p = '\0';
}

bool uuid_eq(struct uuid a, struct uuid b)
{
        return memcmp(a.b, b.b, sizeof a.b) == 0;
}

bool uuid_is_nil(struct uuid u)
{
        return uuid_eq(u, (struct uuid){ { 0 } });
}
