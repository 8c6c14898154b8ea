/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Points in time are microseconds since 1970-01-01T00:00:00Z, UTC, as int64_t (Avro's
 * timestamp-micros). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t instant; /* microseconds, UTC */

#define INSTANT_SECOND INT64_C(1000000)
#define INSTANT_MS INT64_C(1000)
#define INSTANT_NONE INT64_MIN
#define INSTANT_TEXT_MAX 40

/* the wall clock: for shells only; the core takes `now` as a parameter */
instant instant_now(void);
int64_t monotonic_ms(void); /* for timeouts */

/* RFC 3339 in UTC, "2026-11-21T08:00:00.123456Z"; the fraction is left out when zero. */
void instant_format(instant t, char text[INSTANT_TEXT_MAX]);
bool instant_parse(const char *text, size_t len, instant *ret); /* RFC 3339 with Z or an offset */

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. */
int64_t days_from_civil(int year, int month, int day);
void civil_from_days(int64_t days, int *year, int *month, int *day);
