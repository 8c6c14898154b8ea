/* SPDX-License-Identifier: Apache-2.0 */
/* Values against their parameter's type, allowed values and limits. */
#include "pack/parameter.h"

#include "config/words.h"

#include <inttypes.h>
#include <string.h>

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
        const struct parameter *declared;
        struct err *err;
};

#define SHOWN(s) (int)((s).len > 60 ? 60 : (s).len), (s).ptr

/* A value, or an element of an array, against the allowed values and the limits. */
static bool within(void *ctx, struct span v)
{
        const struct check *c = ctx;
        const struct parameter *d = c->declared;
        int64_t n = 0;
        size_t i = 0;
        while (i < d->n_values && !span_is(v, d->values[i]))
                i++;
        if (d->n_values > 0 && i == d->n_values) {
                BUF_CLEANUP struct buf list = { .max = 700 };
                words_join(d->values, "\"", &list);
                err_set(c->err, ERR_INPUT, "", "%s: \"%.*s\" is not one of %s", d->name, SHOWN(v),
                        buf_str(&list));
                return false;
        }
        if ((d->type != VALUE_INTEGER && d->type != VALUE_INTEGER_ARRAY) || !value_integer(v, &n) ||
            (n >= d->min && n <= d->max))
                return true;
        err_set(c->err, ERR_INPUT, "", "%s: %" PRId64 " is %s %" PRId64, d->name, n,
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
static int check_blank(const struct parameter *d, struct span text, bool array, struct err *e)
{
        int64_t n = 0;
        if (d->type == VALUE_TEXT && d->required && !d->allow_blank && blank(text))
                return err_set(e, ERR_INPUT, "", "%s: must not be empty", d->name);
        if (array && value_each_element(text, count_element, &n) && n < d->min_items)
                return err_set(e, ERR_INPUT, "",
                               "%s: has %" PRId64 " elements, at least %" PRId64 " are needed",
                               d->name, n, d->min_items);
        return 0;
}

int parameter_check(const struct parameter *d, struct span text, struct err *e)
{
        struct check c = { d, e };
        if (!value_valid(d->type, text))
                return err_set(e, ERR_INPUT, "", "%s: \"%.*s\" is not %s", d->name, SHOWN(text),
                               expected[d->type]);
        bool array = d->type == VALUE_INTEGER_ARRAY || d->type == VALUE_TEXT_ARRAY;
        if (check_blank(d, text, array, e) < 0)
                return -1;
        return (array ? value_each_element(text, within, &c) : within(&c, text)) ? 0 : -1;
}
