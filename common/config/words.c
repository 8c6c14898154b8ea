/* SPDX-License-Identifier: Apache-2.0 */
/* Time spans as text, and the word that somebody may have meant. */
#include "config/words.h"

#include <string.h>

static const struct unit {
        const char *name;
        int64_t ms;
} units[] = {
        { "w", INT64_C(604800000) },
        { "d", 86400000 },
        { "h", 3600000 },
        { "m", 60000 },
        { "s", 1000 },
        { "ms", 1 },
};

#define DURATION_MAX (INT64_C(1000) * 366 * 86400000)

static size_t unit_of(const char *name, size_t len)
{
        size_t i = 0;
        while (i < ARRAY_LEN(units) &&
               (strlen(units[i].name) != len || memcmp(units[i].name, name, len) != 0))
                i++;
        return i;
}

bool duration_parse(const char *text, int64_t *ret_ms)
{
        int64_t total = 0;
        size_t next = 0; /* units may only get smaller */
        if (!*text)
                return false;
        while (*text) {
                int64_t n = 0;
                size_t digits = strspn(text, "0123456789"),
                       letters = strcspn(text + digits, "0123456789");
                if (digits == 0 || digits > 15)
                        return false;
                for (size_t i = 0; i < digits; i++)
                        n = n * 10 + (text[i] - '0');
                size_t unit = unit_of(text + digits, letters);
                if (unit >= ARRAY_LEN(units) || unit < next || n > DURATION_MAX / units[unit].ms)
                        return false;
                total += n * units[unit].ms;
                if (total > DURATION_MAX)
                        return false;
                next = unit + 1;
                text += digits + letters;
        }
        *ret_ms = total;
        return true;
}

void duration_format(int64_t ms, struct buf *out)
{
        if (ms == 0)
                buf_adds(out, "0s");
        /* days rather than weeks: people write "90d" */
        for (size_t i = 1; i < ARRAY_LEN(units); i++) {
                if (ms >= units[i].ms)
                        buf_addf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
                ms %= units[i].ms;
        }
}

enum { WORD_MAX = 64 };

static size_t min3(size_t a, size_t b, size_t c)
{
        size_t m = a < b ? a : b;
        return m < c ? m : c;
}

/* Levenshtein's distance in one row; words longer than WORD_MAX are near to nothing. */
static size_t distance(const char *a, const char *b)
{
        size_t row[WORD_MAX + 1], la = strlen(a), lb = strlen(b);
        if (la > WORD_MAX || lb > WORD_MAX)
                return SIZE_MAX;
        for (size_t j = 0; j <= lb; j++)
                row[j] = j;
        for (size_t i = 1; i <= la; i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= lb; j++) {
                        size_t up = row[j];
                        row[j] = min3(up + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
                        diagonal = up;
                }
        }
        return row[lb];
}

const char *word_nearest(const char *word, const char *const *known)
{
        const char *best = NULL;
        size_t limit = strlen(word) / 3 + 1, nearest = limit + 1;
        for (; *known; known++) {
                size_t d = distance(word, *known);
                if (d < nearest && d < strlen(*known)) {
                        nearest = d;
                        best = *known;
                }
        }
        return best;
}

void words_join(const char *const *known, const char *quote, struct buf *out)
{
        for (size_t i = 0; known[i]; i++)
                buf_addf(out, "%s%s%s%s", i ? ", " : "", quote ? quote : "", known[i],
                         quote ? quote : "");
}
