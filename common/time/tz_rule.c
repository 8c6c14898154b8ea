/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX TZ texts ("CET-1CEST,M3.5.0,M10.5.0/3") with RFC 8536's wider times. */
#include "time/tz_rule.h"

#include "base/instant.h"

#include <string.h>

enum { HOUR = 3600, DAY = 86400, HOURS_MAX = 167 };

static bool skip_char(const char **p, char c)
{
        bool here = **p == c;
        *p += here;
        return here;
}

static bool parse_number(const char **p, int max, int *ret)
{
        int n = 0, digits = 0;
        for (; **p >= '0' && **p <= '9' && digits < 4; digits++)
                n = n * 10 + (*(*p)++ - '0');
        *ret = n;
        return digits > 0 && n <= max;
}

/* "<+03>" or at least three letters. */
static bool parse_name(const char **p)
{
        if (skip_char(p, '<')) {
                *p += strcspn(*p, ">");
                return skip_char(p, '>');
        }
        size_t letters = strspn(*p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        *p += letters;
        return letters >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool parse_time(const char **p, int *ret)
{
        int h, m = 0, s = 0;
        bool negative = skip_char(p, '-');
        if (!negative)
                (void)skip_char(p, '+');
        if (!parse_number(p, HOURS_MAX, &h) ||
            (skip_char(p, ':') &&
             (!parse_number(p, 59, &m) || (skip_char(p, ':') && !parse_number(p, 59, &s)))))
                return false;
        *ret = (negative ? -1 : 1) * (h * HOUR + m * 60 + s);
        return true;
}

static bool parse_day(const char **p, struct tz_day *ret)
{
        *ret = (struct tz_day){ .time = 2 * HOUR };
        if (skip_char(p, 'M')) {
                ret->kind = 'M';
                if (!parse_number(p, 12, &ret->month) || !skip_char(p, '.') ||
                    !parse_number(p, 5, &ret->week) || !skip_char(p, '.') ||
                    !parse_number(p, 6, &ret->day) || ret->month < 1 || ret->week < 1)
                        return false;
        } else {
                ret->kind = skip_char(p, 'J') ? 'J' : 'D';
                if (!parse_number(p, 365, &ret->day) || (ret->kind == 'J' && ret->day < 1))
                        return false;
        }
        return !skip_char(p, '/') || parse_time(p, &ret->time);
}

bool tz_rule_parse(const char *text, struct tz_rule *ret)
{
        struct tz_rule r = { 0 };
        const char *p = text;
        if (!parse_name(&p) || !parse_time(&p, &r.standard))
                return false;
        r.standard = -r.standard; /* POSIX counts west of Greenwich */
        r.summer = r.standard + HOUR;
        if (*p) {
                r.has_summer = true;
                if (!parse_name(&p))
                        return false;
                if (*p != ',') {
                        if (!parse_time(&p, &r.summer))
                                return false;
                        r.summer = -r.summer;
                }
                if (!skip_char(&p, ',') || !parse_day(&p, &r.begins) || !skip_char(&p, ',') ||
                    !parse_day(&p, &r.ends) || *p)
                        return false;
        }
        *ret = r;
        return true;
}

static bool is_leap(int year)
{
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since 1970 of the rule's day. */
static int64_t day_of(const struct tz_day *d, int year)
{
        int64_t january = days_from_civil(year, 1, 1);
        if (d->kind == 'D')
                return january + d->day;
        if (d->kind == 'J')
                return january + d->day - 1 + (d->day >= 60 && is_leap(year));
        int64_t first = days_from_civil(year, d->month, 1);
        int64_t next = d->month == 12 ? days_from_civil(year + 1, 1, 1)
                                      : days_from_civil(year, d->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        int64_t found = first + (d->day - weekday + 7) % 7 + 7 * (d->week - 1);
        return found < next ? found : found - 7; /* week 5 is the last one */
}

int64_t tz_rule_change(const struct tz_rule *r, int year, bool begins)
{
        const struct tz_day *d = begins ? &r->begins : &r->ends;
        return day_of(d, year) * DAY + d->time - (begins ? r->standard : r->summer);
}
