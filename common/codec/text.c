#include "codec/wire.h"

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

static bool follows(const uint8_t *p, size_t n)
{
        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return false;
        return true;
}

/* Bytes of the character at `s`, by RFC 3629; 0 when there is none. */
static size_t character(const char *s, size_t len)
{
        const uint8_t *p = (const uint8_t *)s;
        uint8_t c = p[0];
        if (c < 0x80)
                return c ? 1 : 0;
        size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (c < 0xc2 || c > 0xf4 || len < n || !follows(p, n))
                return 0;
        bool overlong = (c == 0xe0 && p[1] < 0xa0) || (c == 0xf0 && p[1] < 0x90);
        bool surrogate = c == 0xed && p[1] > 0x9f;
        bool beyond = c == 0xf4 && p[1] > 0x8f;
        return overlong || surrogate || beyond ? 0 : n;
}

/* Length of the longest beginning of `s` that is fine. */
static size_t good_prefix(const char *s, size_t len)
{
        size_t i = 0;
        if (len == 0)
                return 0; /* of no text at all: `s` may be NULL, to which nothing can be added */
        while ((i += ascii_prefix(s + i, len - i)) < len) {
                size_t n = character(s + i, len - i);
                if (n == 0)
                        break;
                i += n;
        }
        return i;
}

bool text_ok(const char *s, size_t len)
{
        return good_prefix(s, len) == len;
}

void text_mend(char *s, size_t len)
{
        for (size_t i = 0; i < len && (i += good_prefix(s + i, len - i)) < len;)
                s[i] = '?';
}
