/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Five-field cron expressions: minute hour day-of-month month day-of-week, with names, lists,
 * ranges, steps, Sunday as 0 or 7, and
 * @hourly @daily @midnight @weekly @monthly @yearly @annually. Vixie's rule: when both day fields
 * are restricted (neither starts with *), a day matches if either does. DST rule: a time skipped by
 * a gap runs once, right after the gap; a time that happens twice runs once, the first time.
 */
#include "base/err.h"
#include "time/zone.h"

struct cron {
        uint64_t minute;           /* bit i: minute i */
        uint32_t hour, day, month; /* day and month from bit 1 */
        uint8_t weekday;           /* bit 0 Sunday */
        bool any_day, any_weekday; /* the field started with '*' */
};

/* ERR_FATAL naming the field, its text and what was expected. An expression that can never match
 * (30 February) is an error too. */
int cron_parse(const char *text, struct cron *ret, struct err *e) MUST_CHECK;

/* The first occurrence strictly after `after`, or INSTANT_NONE when there is none within five years
 * of it. */
instant cron_next(const struct cron *c, const struct zone *z, instant after);

/* The last occurrence at or before `at`, and after `floor`; INSTANT_NONE when there is none within
 * five years before `at`. `floor` may be INSTANT_NONE. */
instant cron_previous(const struct cron *c, const struct zone *z, instant at, instant floor);
