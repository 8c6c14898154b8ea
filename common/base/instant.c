/* SPDX-License-Identifier: Apache-2.0 */
/* Instants in microseconds, civil dates, and RFC 3339. */
#include "base/instant.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY_SECONDS = 86400 };

instant instant_now(void)
{
        struct timespec ts;
        clock_gettime(CLOCK_REALTIME, &ts);
        return (int64_t)ts.tv_sec * INSTANT_SECOND + ts.tv_nsec / 1000;
}

int64_t monotonic_ms(void)
{
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Howard Hinnant's algorithms "days_from_civil" and "civil_from_days". */
int64_t days_from_civil(int year, int month, int day)
{
        int64_t y = (int64_t)year - (month <= 2);
        int64_t era = (y >= 0 ? y : y - 399) / 400;
        int64_t yoe = y - era * 400;
        int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void civil_from_days(int64_t days, int *year, int *month, int *day)
{
        int64_t z = days + 719468;
        int64_t era = (z >= 0 ? z : z - 146096) / 146097;
        int64_t doe = z - era * 146097;
        int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        int64_t mp = (5 * doy + 2) / 153;
        *day = (int)(doy - (153 * mp + 2) / 5 + 1);
        *month = (int)(mp < 10 ? mp + 3 : mp - 9);
        *year = (int)(yoe + era * 400 + (*month <= 2));
}

/* `before` (when it is not NUL) and the number in so many digits. Every message has an instant, and
 * snprintf would be a tenth of its cost. */
static char *put(char *p, int number, int count, char before)
{
        if (before)
                *p++ = before;
        for (int i = count - 1; i >= 0; i--, number /= 10)
                p[i] = (char)('0' + number % 10);
        return p + count;
}

void instant_format(instant t, char text[INSTANT_TEXT_MAX])
{
        int64_t s = t / INSTANT_SECOND, us = t % INSTANT_SECOND;
        if (us < 0) {
                us += INSTANT_SECOND;
                s--;
        }
        int64_t day = s / DAY_SECONDS, sec = s % DAY_SECONDS;
        if (sec < 0) {
                sec += DAY_SECONDS;
                day--;
        }
        int y, m, d;
        civil_from_days(day, &y, &m, &d);
        char *p = text;
        if (y < 0 || y > 9999)
                p += snprintf(p, INSTANT_TEXT_MAX / 2, "%04d", y);
        else
                p = put(p, y, 4, '\0');
        p = put(p, m, 2, '-');
        p = put(p, d, 2, '-');
        p = put(p, (int)(sec / 3600), 2, 'T');
        p = put(p, (int)(sec / 60 % 60), 2, ':');
        p = put(p, (int)(sec % 60), 2, ':');
        if (us)
                p = put(p, (int)us, 6, '.');
        memcpy(p, "Z", 2);
}

struct reader {
        const char *p, *end;
        bool ok;
};

static int digits(struct reader *r, int count)
{
        int v = 0;
        for (int i = 0; i < count; i++) {
                if (r->p >= r->end || *r->p < '0' || *r->p > '9') {
                        r->ok = false;
                        return 0;
                }
                v = v * 10 + (*r->p++ - '0');
        }
        return v;
}

static char one_of(struct reader *r, const char *set)
{
        if (r->p < r->end)
                for (; *set; set++)
                        if (*r->p == *set)
                                return *r->p++;
        r->ok = false;
        return 0;
}

static bool date_exists(int year, int month, int day)
{
        int y, m, d;
        if (month < 1 || month > 12 || day < 1 || day > 31)
                return false;
        civil_from_days(days_from_civil(year, month, day), &y, &m, &d);
        return m == month && d == day;
}

bool instant_parse(const char *text, size_t len, instant *ret)
{
        struct reader r = { text, text + len, true };
        int y = digits(&r, 4);
        one_of(&r, "-");
        int mo = digits(&r, 2);
        one_of(&r, "-");
        int d = digits(&r, 2);
        one_of(&r, "Tt ");
        int h = digits(&r, 2);
        one_of(&r, ":");
        int mi = digits(&r, 2);
        one_of(&r, ":");
        int s = digits(&r, 2);
        int64_t us = 0;
        if (r.ok && r.p < r.end && *r.p == '.') {
                int64_t unit = INSTANT_SECOND / 10;
                r.p++;
                r.ok = r.p < r.end && *r.p >= '0' && *r.p <= '9';
                for (; r.p < r.end && *r.p >= '0' && *r.p <= '9'; r.p++, unit /= 10)
                        us += (*r.p - '0') * unit;
        }
        char sign = one_of(&r, "Zz+-");
        int offset = 0;
        if (sign == '+' || sign == '-') {
                int oh = digits(&r, 2);
                one_of(&r, ":");
                int om = digits(&r, 2);
                if (oh > 23 || om > 59)
                        return false;
                offset = (oh * 3600 + om * 60) * (sign == '-' ? -1 : 1);
        }
        if (!r.ok || r.p != r.end || !date_exists(y, mo, d) || h > 23 || mi > 59 || s > 60)
                return false;
        *ret = (days_from_civil(y, mo, d) * DAY_SECONDS + h * 3600 + mi * 60 + s - offset) *
                       INSTANT_SECOND +
               us;
        return true;
}
