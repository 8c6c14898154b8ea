#include "pack/pack.h"

#include "base/utf8.h"
#include "base/uuid.h"
#include "config/words.h"
#include "pack/load.h"

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

static bool integer_of(struct span s, int64_t *ret)
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

typedef bool (*element_check)(void *ctx, struct span element);

/* False when the text is no array, or `check` says so of an element. */
static bool each_element(struct span s, element_check check, void *ctx)
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
                return integer_of(text, &n);
        case VALUE_BOOLEAN:
                return boolean_valid(text);
        case VALUE_DATE:
                return take_date(&text) && text.len == 0;
        case VALUE_TIMESTAMP:
                return timestamp_valid(text);
        case VALUE_UUID:
                return uuid_from_text(text.ptr, text.len, &u);
        case VALUE_INTEGER_ARRAY:
        case VALUE_TEXT_ARRAY:
                return each_element(text, element_valid, &element);
        }
        return false;
}

/* ---- declared values ---- */

static const char *const expected[] = {
        "a text in UTF-8",
        "a whole number",
        "true or false",
        "a date such as 2026-11-21",
        "a point in time such as 2026-11-21T08:00:00Z or 2026-11-21 08:00",
        "a UUID",
        "an array of whole numbers such as {30,14,7}",
        "an array of texts such as {a,\"b c\"}",
};

struct check {
        const struct declared *declared;
        struct err *err;
};

#define SHOWN(s) (int)((s).len > 60 ? 60 : (s).len), (s).ptr

/* A value, or an element of an array, against the allowed values and the limits. */
static bool within(void *ctx, struct span v)
{
        const struct check *c = ctx;
        const struct declared *d = c->declared;
        int64_t n = 0;
        size_t i = 0;
        while (i < d->n_values && !span_is(v, d->values[i]))
                i++;
        if (d->n_values > 0 && i == d->n_values) {
                BUF_CLEANUP struct buf list = { .max = 700 };
                words_join(d->values, "\"", &list);
                err_set(c->err, ERR_INPUT, NULL, "%s: \"%.*s\" is not one of %s", d->name, SHOWN(v),
                        buf_str(&list));
                return false;
        }
        if ((d->type != VALUE_INTEGER && d->type != VALUE_INTEGER_ARRAY) || !integer_of(v, &n) ||
            (n >= d->min && n <= d->max))
                return true;
        err_set(c->err, ERR_INPUT, NULL, "%s: %" PRId64 " is %s %" PRId64, d->name, n,
                n < d->min ? "less than" : "more than", n < d->min ? d->min : d->max);
        return false;
}

/* Bytes of the white space that the text begins with, in UTF-8. */
static size_t space(struct span s)
{
        static const char *const spaces[] = { " ",
                                              "\t",
                                              "\r",
                                              "\n",
                                              "\v",
                                              "\f",
                                              "\xC2\x85",
                                              "\xC2\xA0",
                                              "\xE1\x9A\x80",
                                              "\xE2\x80\xA8",
                                              "\xE2\x80\xA9",
                                              "\xE2\x80\xAF",
                                              "\xE2\x81\x9F",
                                              "\xE2\x81\xA0",
                                              "\xE3\x80\x80",
                                              "\xEF\xBB\xBF" };
        for (size_t i = 0; i < ARRAY_LEN(spaces); i++)
                if (s.len >= strlen(spaces[i]) && memcmp(s.ptr, spaces[i], strlen(spaces[i])) == 0)
                        return strlen(spaces[i]);
        bool en_quad_to_zero_width = s.len >= 3 && memcmp(s.ptr, "\xE2\x80", 2) == 0 &&
                                     (unsigned char)s.ptr[2] <= 0x8D;
        return en_quad_to_zero_width ? 3 : 0;
}

static bool blank(struct span s)
{
        for (size_t n; (n = space(s)) > 0;)
                s = (struct span){ s.ptr + n, s.len - n };
        return s.len == 0;
}

static bool count_element(void *ctx, struct span element)
{
        (void)element;
        ++*(int64_t *)ctx;
        return true;
}

/* A value that says nothing. */
static int check_blank(const struct declared *d, struct span text, bool array, struct err *e)
{
        int64_t n = 0;
        if (d->type == VALUE_TEXT && d->required && !d->allow_blank && blank(text))
                return err_set(e, ERR_INPUT, NULL, "%s: must not be empty", d->name);
        if (array && each_element(text, count_element, &n) && n < d->min_items)
                return err_set(e, ERR_INPUT, NULL,
                               "%s: has %" PRId64 " elements, at least %" PRId64 " are needed",
                               d->name, n, d->min_items);
        return 0;
}

int declared_check(const struct declared *d, struct span text, struct err *e)
{
        struct check c = { d, e };
        if (!value_valid(d->type, text))
                return err_set(e, ERR_INPUT, NULL, "%s: \"%.*s\" is not %s", d->name, SHOWN(text),
                               expected[d->type]);
        bool array = d->type == VALUE_INTEGER_ARRAY || d->type == VALUE_TEXT_ARRAY;
        if (check_blank(d, text, array, e) < 0)
                return -1;
        return (array ? each_element(text, within, &c) : within(&c, text)) ? 0 : -1;
}
