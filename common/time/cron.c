/* SPDX-License-Identifier: Apache-2.0 */
/* Five-field cron expressions: the next and the previous instant in a time zone. */
#include "time/cron.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, HOURS = 24, MINUTES = 60, FIELDS = 5 };

/* How far a search goes. */
#define SEARCH (INT64_C(5) * 366 * DAY * INSTANT_SECOND)

struct field {
        const char *name;
        int min, max;
        const char *const *words; /* names of min, min + 1, …; NULL: none */
        const char *expected;
};

static const char *const month_words[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                           "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_words[] = {
        "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

static const struct field fields[FIELDS] = {
        { "minute", 0, 59, NULL, "0-59" },
        { "hour", 0, 23, NULL, "0-23" },
        { "day-of-month", 1, 31, NULL, "1-31" },
        { "month", 1, 12, month_words, "1-12 or jan-dec" },
        { "day-of-week", 0, 7, weekday_words, "0-7 (0 and 7 are Sunday) or sun-sat" },
};

static const struct {
        const char *name, *text;
} nicknames[] = {
        { "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
        { "@weekly", "0 0 * * 0" },   { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
        { "@annually", "0 0 1 1 *" },
};

/* A number of at most three digits, or a name. -1: neither. */
static int parse_value(const struct field *f, const char **p)
{
        if (**p >= '0' && **p <= '9') {
                int v = 0, digits = 0;
                for (; **p >= '0' && **p <= '9'; (*p)++, digits++)
                        if (digits < 3)
                                v = v * 10 + (**p - '0');
                return digits <= 3 ? v : -1;
        }
        for (int i = 0; f->words && f->words[i]; i++)
                if (strncasecmp(*p, f->words[i], 3) == 0) {
                        *p += 3;
                        return f->min + i;
                }
        return -1;
}

/* One of a list's elements: "*", "a", "a-b", each range with "/step". */
static bool parse_element(const struct field *f, const char **p, uint64_t *bits)
{
        int first = f->min, last = f->max, step = 1;
        bool range = true;
        if (**p == '*') {
                (*p)++;
                if (f->words == weekday_words)
                        last = 6;
        } else {
                first = last = parse_value(f, p);
                range = **p == '-';
                if (range) {
                        (*p)++;
                        last = parse_value(f, p);
                        if (f->words == weekday_words && last == 0 && first > 0)
                                last = 7; /* fri-sun */
                }
        }
        if (**p == '/') {
                (*p)++;
                step = **p >= '0' && **p <= '9' ? parse_value(f, p) : -1;
                if (!range || step < 1 || step > f->max - f->min + 1)
                        return false;
        }
        if (first < f->min || last > f->max || first > last)
                return false;
        for (int i = first; i <= last; i += step)
                /* NOLINTNEXTLINE(clang-analyzer-core.BitwiseShift): no field begins below 0. */
                *bits |= UINT64_C(1) << i;
        return true;
}

static int parse_field(const struct field *f, const char *text, size_t len, uint64_t *bits,
                       struct err *e)
{
        char copy[128];
        if (len >= sizeof copy)
                return err_set(e, ERR_FATAL, "", "cron: %s field has more than %zu characters",
                               f->name, sizeof copy - 1);
        memcpy(copy, text, len);
        copy[len] = '\0';
        const char *p = copy;
        *bits = 0;
        while (parse_element(f, &p, bits)) {
                if (*p == '\0')
                        return 0;
                if (*p++ != ',')
                        break;
        }
        return err_set(
                e, ERR_FATAL, "",
                "cron: %s field \"%s\": expected *, %s, a range a-b, */step, a-b/step, or a list "
                "of these",
                f->name, copy, f->expected);
}

static int month_days(int month) /* in a leap year */
{
        static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        return days[month - 1];
}

static bool can_match(const struct cron *c)
{
        if (!c->any_day && !c->any_weekday)
                return true;
        for (int month = 1; month <= 12; month++)
                for (int day = 1; day <= month_days(month); day++)
                        if (c->month & (1U << month) && c->day & (1U << day))
                                return true;
        return false;
}

static const char *expand(const char *text)
{
        text += strspn(text, " \t");
        size_t len = strcspn(text, " \t");
        if (text[len + strspn(text + len, " \t")] == '\0')
                for (size_t i = 0; i < ARRAY_LEN(nicknames); i++)
                        if (strlen(nicknames[i].name) == len &&
                            strncasecmp(text, nicknames[i].name, len) == 0)
                                return nicknames[i].text;
        return text;
}

int cron_parse(const char *text, struct cron *ret, struct err *e)
{
        struct span part[FIELDS];
        size_t n = 0;
        const char *p = expand(text);
        if (*p == '@')
                return err_set(
                        e, ERR_FATAL, "",
                        "cron \"%s\": expected @hourly, @daily, @midnight, @weekly, @monthly, "
                        "@yearly or @annually",
                        text);
        for (; *p; p += strspn(p, " \t")) {
                size_t len = strcspn(p, " \t");
                if (n < FIELDS)
                        part[n] = (struct span){ p, len };
                n++;
                p += len;
        }
        if (n != FIELDS)
                return err_set(
                        e, ERR_FATAL, "",
                        "cron \"%s\": %zu fields, expected 5: minute hour day-of-month month "
                        "day-of-week",
                        text, n);
        uint64_t bits[FIELDS];
        for (size_t i = 0; i < FIELDS; i++)
                if (parse_field(&fields[i], part[i].ptr, part[i].len, &bits[i], e) < 0)
                        return -1;
        struct cron c = {
                .minute = bits[0],
                .hour = (uint32_t)bits[1],
                .day = (uint32_t)bits[2],
                .month = (uint32_t)bits[3],
                .weekday = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f),
                .any_day = *part[2].ptr == '*',
                .any_weekday = *part[4].ptr == '*',
        };
        if (!can_match(&c))
                return err_set(
                        e, ERR_FATAL, "",
                        "cron \"%s\": can never match: no month of its month field has such a "
                        "day-of-month",
                        text);
        *ret = c;
        return 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

static bool day_matches(const struct cron *c, int64_t days, int day)
{
        bool d = c->day & (1U << day);
        bool w = c->weekday & (1U << (((days + 4) % 7 + 7) % 7)); /* 1970-01-01 was a Thursday */
        return c->any_day || c->any_weekday ? d && w : d || w;
}

/* The first matching minute of a day at or after `minute` of it; -1: none. */
static int minute_from(const struct cron *c, int minute)
{
        for (int hour = minute / MINUTES, from = minute % MINUTES; hour < HOURS; hour++, from = 0) {
                uint64_t left = c->minute >> from;
                if (c->hour & (1U << hour) && left)
                        return hour * MINUTES + from + __builtin_ctzll(left);
        }
        return -1;
}

/* The last matching minute of a day at or before `minute` of it; -1: none. */
static int minute_until(const struct cron *c, int minute)
{
        for (int hour = minute / MINUTES, until = minute % MINUTES; hour >= 0;
             hour--, until = MINUTES - 1) {
                uint64_t left = c->minute << (63 - until);
                if (c->hour & (1U << hour) && left)
                        return hour * MINUTES + until - __builtin_clzll(left);
        }
        return -1;
}

/* Local wall-clock times as zone.h has them, both ends included. */
static bool local_next(const struct cron *c, int64_t from, int64_t until, int64_t *ret)
{
        int64_t days = floor_div(from, DAY);
        int minute = (int)((from - days * DAY + MINUTE - 1) / MINUTE);
        for (; days * DAY <= until; minute = 0) {
                int y, m, d, found;
                civil_from_days(days, &y, &m, &d);
                if (!(c->month & (1U << m))) {
                        days = m == 12 ? days_from_civil(y + 1, 1, 1)
                                       : days_from_civil(y, m + 1, 1);
                } else if (day_matches(c, days, d) && (found = minute_from(c, minute)) >= 0) {
                        *ret = days * DAY + found * MINUTE;
                        return *ret <= until;
                } else {
                        days++;
                }
        }
        return false;
}

static bool local_previous(const struct cron *c, int64_t from, int64_t until, int64_t *ret)
{
        int64_t days = floor_div(from, DAY);
        int minute = (int)((from - days * DAY) / MINUTE);
        for (; days * DAY + DAY > until; minute = HOURS * MINUTES - 1) {
                int y, m, d, found;
                civil_from_days(days, &y, &m, &d);
                if (!(c->month & (1U << m))) {
                        days = days_from_civil(y, m, 1) - 1;
                } else if (day_matches(c, days, d) && (found = minute_until(c, minute)) >= 0) {
                        *ret = days * DAY + found * MINUTE;
                        return *ret >= until;
                } else {
                        days--;
                }
        }
        return false;
}

static int64_t local_of(const struct zone *z, instant t)
{
        return floor_div(t, INSTANT_SECOND) + zone_offset(z, t);
}

instant cron_next(const struct cron *c, const struct zone *z, instant after)
{
        int64_t local = local_of(z, after), until = local_of(z, after + SEARCH);
        /* Local times that lie at or before `after` are the rest of a repeated hour whose first
         * pass is over, or were skipped by a gap. */
        for (; local_next(c, local, until, &local); local += MINUTE) {
                instant t;
                zone_to_instant(z, local, &t);
                if (t > after)
                        return t;
        }
        return INSTANT_NONE;
}

instant cron_previous(const struct cron *c, const struct zone *z, instant at, instant floor)
{
        if (floor < at - SEARCH)
                floor = at - SEARCH;
        int64_t local = local_of(z, at), until = local_of(z, floor);
        instant t;
        /* In the second pass of a repeated hour all of the first pass is over, also what the clock
         * on the wall has still before it. */
        if (zone_to_instant(z, local, &t) == ZONE_TWICE && t < at)
                local += zone_offset(z, t) - zone_offset(z, at);
        for (; local_previous(c, local, until, &local); local -= MINUTE) {
                zone_to_instant(z, local, &t);
                if (t <= at)
                        return t > floor ? t : INSTANT_NONE;
        }
        return INSTANT_NONE;
}
