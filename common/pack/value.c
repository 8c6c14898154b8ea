/* SPDX-License-Identifier: Apache-2.0 */
/* Value types of settings, arguments and report parameters, checked before PostgreSQL sees them. */
#include "pack/value.h"

#include "base/utf8.h"
#include "base/instant.h"
#include "base/uuid.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const value_type_names[] = { "text", "integer",   "boolean", "date", "timestamp",
                                         "uuid", "integer[]", "text[]",  NULL };

const char *value_sql_type(enum value_type t)
{
        static const char *const names[] = { "text",        "bigint", "boolean",  "date",
                                             "timestamptz", "uuid",   "bigint[]", "text[]" };
        return names[t];
}

/* ---- scalars ---- */

bool value_integer(struct span s, int64_t *ret)
{
        size_t i = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
        bool negative = i && s.ptr[0] == '-';
        int64_t n = 0; /* counted downwards: there is one more below zero */
        if (i == s.len)
                return false;
        for (; i < s.len; i++) {
                if (s.ptr[i] < '0' || s.ptr[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
                    __builtin_sub_overflow(n, s.ptr[i] - '0', &n))
                        return false;
        }
        if (!negative && n == INT64_MIN)
                return false;
        *ret = negative ? n : -n;
        return true;
}

static bool boolean_valid(struct span s)
{
        static const char *const words[] = { "true", "false", "t",  "f",   "yes", "no",
                                             "y",    "n",     "on", "off", "1",   "0" };
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (s.len == strlen(words[i]) && strncasecmp(s.ptr, words[i], s.len) == 0)
                        return true;
        return false;
}

/* Takes `count` digits off the front; false when they are not there or not within the range. */
static bool digits(struct span *s, size_t count, int min, int max, int *ret)
{
        int v = 0;
        if (s->len < count)
                return false;
        for (size_t i = 0; i < count; i++) {
                if (s->ptr[i] < '0' || s->ptr[i] > '9')
                        return false;
                v = v * 10 + (s->ptr[i] - '0');
        }
        s->ptr += count;
        s->len -= count;
        *ret = v;
        return v >= min && v <= max;
}

static bool one_of(struct span *s, const char *set)
{
        if (s->len == 0 || s->ptr[0] == '\0' || !strchr(set, s->ptr[0]))
                return false;
        s->ptr++;
        s->len--;
        return true;
}

static bool take_date(struct span *s)
{
        int y, m, d, ry, rm, rd;
        if (!digits(s, 4, 1, 9999, &y) || !one_of(s, "-") || !digits(s, 2, 1, 12, &m) ||
            !one_of(s, "-") || !digits(s, 2, 1, 31, &d))
                return false;
        civil_from_days(days_from_civil(y, m, d), &ry, &rm, &rd);
        return rd == d && rm == m;
}

/* "YYYY-MM-DD", then perhaps " HH:MM" or "THH:MM", perhaps ":SS" and a fraction, perhaps Z or an
 * offset. */
static bool timestamp_valid(struct span s)
{
        int v;
        if (!take_date(&s))
                return false;
        if (s.len == 0)
                return true;
        if (!one_of(&s, "Tt ") || !digits(&s, 2, 0, 23, &v) || !one_of(&s, ":") ||
            !digits(&s, 2, 0, 59, &v))
                return false;
        if (one_of(&s, ":")) {
                if (!digits(&s, 2, 0, 60, &v))
                        return false;
                if (one_of(&s, ".")) {
                        size_t n = 0;
                        while (n < 9 && digits(&s, 1, 0, 9, &v))
                                n++;
                        if (n == 0)
                                return false;
                }
        }
        if (one_of(&s, "+-"))
                return digits(&s, 2, 0, 15, &v) && one_of(&s, ":") && digits(&s, 2, 0, 59, &v) &&
                       s.len == 0;
        one_of(&s, "Zz");
        return s.len == 0;
}

/* ---- arrays: '{1,2}' as PostgreSQL reads it, one dimension, no NULL ---- */

static void skip_blank(struct span *s)
{
        while (one_of(s, " \t\r\n"))
                continue;
}

/* Takes an element off the front, without its quotes. */
static bool take_element(struct span *s, struct buf *out)
{
        bool quoted = one_of(s, "\"");
        buf_reset(out);
        while (s->len > 0 && *s->ptr &&
               !(quoted ? *s->ptr == '"' : strchr("{},\"\\", *s->ptr) != NULL)) {
                if (*s->ptr == '\\') {
                        s->ptr++;
                        if (--s->len == 0)
                                return false;
                }
                buf_addc(out, *s->ptr++);
                s->len--;
        }
        if (quoted)
                return one_of(s, "\"") && !out->failed;
        while (out->len > 0 && strchr(" \t\r\n", out->data[out->len - 1]))
                out->data[--out->len] = '\0';
        return out->len > 0 && !out->failed && strcasecmp(out->data, "null") != 0;
}

bool value_each_element(struct span s, value_element_check check, void *ctx)
{
        BUF_CLEANUP struct buf element = { .max = s.len };
        skip_blank(&s);
        if (!one_of(&s, "{"))
                return false;
        skip_blank(&s);
        bool empty = one_of(&s, "}");
        while (!empty) {
                skip_blank(&s);
                if (!take_element(&s, &element) ||
                    !check(ctx, (struct span){ buf_str(&element), element.len }))
                        return false;
                skip_blank(&s);
                if (one_of(&s, "}"))
                        break;
                if (!one_of(&s, ","))
                        return false;
        }
        skip_blank(&s);
        return s.len == 0;
}

static bool element_valid(void *ctx, struct span element)
{
        return value_valid(*(const enum value_type *)ctx, element);
}

bool value_valid(enum value_type t, struct span text)
{
        struct uuid u;
        int64_t n;
        enum value_type element = t == VALUE_INTEGER_ARRAY ? VALUE_INTEGER : VALUE_TEXT;
        switch (t) {
        case VALUE_TEXT:
                return utf8_valid(text.ptr, text.len);
        case VALUE_INTEGER:
                return value_integer(text, &n);
        case VALUE_BOOLEAN:
                return boolean_valid(text);
        case VALUE_DATE:
                return take_date(&text) && text.len == 0;
        case VALUE_TIMESTAMP:
                return timestamp_valid(text);
        case VALUE_UUID:
                return uuid_parse(text.ptr, text.len, &u);
        case VALUE_INTEGER_ARRAY:
        case VALUE_TEXT_ARRAY:
                return value_each_element(text, element_valid, &element);
        }
        return false;
}
