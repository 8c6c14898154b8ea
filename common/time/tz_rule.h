/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The last line of a file of the IANA database: POSIX's TZ text, which says what holds after the
 * file's last change. */
#include <stdbool.h>
#include <stdint.h>

struct tz_day {
        char kind; /* 'J': day 1–365 without 29 February; 'D': day 0–365; 'M': month.week.weekday */
        int month, week, day;
        int time; /* seconds after midnight, local; may be negative or beyond the day */
};

struct tz_rule {
        int standard, summer; /* seconds east of UTC */
        bool has_summer;
        struct tz_day begins, ends; /* of the summer time */
};

/* False for a text that is no such rule. */
bool tz_rule_parse(const char *text, struct tz_rule *ret);
/* The second (UTC) at which summer time begins or ends in that year. */
int64_t tz_rule_change(const struct tz_rule *r, int year, bool begins);
