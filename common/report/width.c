/* SPDX-License-Identifier: Apache-2.0 */
/* Display width without a locale: the programs run under any, also C. */
#include "report/width.h"

#include <stdint.h>

struct range {
        uint32_t first, last;
};

/* Sorted. Combining marks, joiners and variation selectors of the scripts in use; not all of
 * Unicode's. */
static const struct range zero[] = {
        { 0x0300, 0x036f },   { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x0610, 0x061a },
        { 0x064b, 0x065f },   { 0x0900, 0x0902 }, { 0x093c, 0x093c }, { 0x0941, 0x0948 },
        { 0x094d, 0x094d },   { 0x0e31, 0x0e31 }, { 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e },
        { 0x1160, 0x11ff },   { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f },
        { 0x2060, 0x2064 },   { 0x20d0, 0x20ff }, { 0x302a, 0x302d }, { 0x3099, 0x309a },
        { 0xfe00, 0xfe0f },   { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0x1f3fb, 0x1f3ff },
        { 0xe0100, 0xe01ef },
};

/* Sorted. East Asian Wide and Fullwidth (UAX 11), and emoji that terminals draw two columns wide.
 */
static const struct range wide[] = {
        { 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },   { 0x23e9, 0x23ec },
        { 0x25fd, 0x25fe },   { 0x2614, 0x2615 },   { 0x2648, 0x2653 },   { 0x26a1, 0x26a1 },
        { 0x26d4, 0x26d4 },   { 0x2705, 0x2705 },   { 0x274c, 0x274c },   { 0x2753, 0x2755 },
        { 0x2795, 0x2797 },   { 0x2b1b, 0x2b1c },   { 0x2e80, 0x303e },   { 0x3041, 0x33ff },
        { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xa000, 0xa4cf },   { 0xa960, 0xa97f },
        { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },
        { 0xffe0, 0xffe6 },   { 0x1b000, 0x1b2ff }, { 0x1f004, 0x1f004 }, { 0x1f18e, 0x1f19a },
        { 0x1f200, 0x1f265 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
        { 0x20000, 0x3fffd },
};

static bool within(uint32_t c, const struct range *list, size_t n)
{
        size_t low = 0, high = n;
        while (low < high) {
                size_t mid = (low + high) / 2;
                if (c > list[mid].last)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low < n && c >= list[low].first;
}

/* One character; its length in bytes. A byte that begins no valid character is taken alone. */
static size_t next(const char *s, size_t len, uint32_t *ret)
{
        unsigned char b = (unsigned char)s[0];
        size_t n = b < 0x80 ? 1 : b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc2 ? 2 : 1;
        uint32_t c = n == 4 ? b & 0x07u : n == 3 ? b & 0x0fu : n == 2 ? b & 0x1fu : b;
        *ret = b;
        if (n > len)
                return 1;
        for (size_t i = 1; i < n; i++) {
                if (((unsigned char)s[i] & 0xc0) != 0x80)
                        return 1;
                c = c << 6 | ((unsigned char)s[i] & 0x3fu);
        }
        *ret = c;
        return n;
}

size_t display_width(const char *s, size_t len)
{
        size_t width = 0;
        for (size_t at = 0; at < len;) {
                uint32_t c;
                at += next(s + at, len - at, &c);
                if (within(c, zero, ARRAY_LEN(zero)))
                        continue;
                width += within(c, wide, ARRAY_LEN(wide)) ? 2 : 1;
        }
        return width;
}

static bool moves_cursor(uint32_t c)
{
        return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
               (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

void add_printable(const char *s, size_t len, struct buf *out)
{
        for (size_t at = 0; at < len;) {
                uint32_t c;
                size_t n = next(s + at, len - at, &c);
                if (moves_cursor(c))
                        buf_addc(out, ' ');
                else
                        buf_add(out, s + at, n);
                at += n;
        }
}
