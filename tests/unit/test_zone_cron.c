/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "time/cron.h"
#include "time/tz_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MINUTE_US (60 * INSTANT_SECOND)

static instant at(const char *text)
{
        instant t;
        if (!instant_parse(text, strlen(text), &t))
                fail_msg("not an instant: %s", text);
        return t;
}

static struct zone *load(const char *name)
{
        struct zone *z = NULL;
        struct err e = ERR_INIT;
        if (zone_load(name, &z, &e) < 0)
                fail_msg("%s", e.text);
        return z;
}

static struct cron cron(const char *text)
{
        struct cron c;
        struct err e = ERR_INIT;
        if (cron_parse(text, &c, &e) < 0)
                fail_msg("%s", e.text);
        return c;
}

static void formats_instants_of_real_zones(void **state)
{
        (void)state;
        static const struct {
                const char *zone, *utc, *local;
        } rows[] = {
                { "UTC", "2026-11-21T09:00:00Z", "2026-11-21T09:00:00+00:00" },
                { "America/Sao_Paulo", "2026-11-21T09:00:00Z", "2026-11-21T06:00:00-03:00" },
                { "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T23:59:59-03:00" },
                { "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T01:00:00-02:00" },
                { "America/New_York", "2026-03-08T06:59:59Z", "2026-03-08T01:59:59-05:00" },
                { "America/New_York", "2026-03-08T07:00:00Z", "2026-03-08T03:00:00-04:00" },
                { "Europe/Berlin", "2026-10-25T00:59:59.5Z", "2026-10-25T02:59:59+02:00" },
                { "Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00+01:00" },
                { "Australia/Lord_Howe", "2026-04-04T14:59:59Z", "2026-04-05T01:59:59+11:00" },
                { "Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05T01:30:00+10:30" },
                { "Asia/Kathmandu", "2026-11-21T00:00:00Z", "2026-11-21T05:45:00+05:45" },
                { "America/St_Johns", "2026-01-01T00:00:00Z", "2025-12-31T20:30:00-03:30" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct zone *z CLEANUP(zone_cleanup) = load(rows[i].zone);
                char text[INSTANT_TEXT_MAX];
                zone_format(z, at(rows[i].utc), text);
                assert_string_equal(text, rows[i].local);
                assert_string_equal(zone_name(z), rows[i].zone);
        }
}

static void maps_local_times(void **state)
{
        (void)state;
        static const struct {
                const char *zone, *local, *utc;
                int kind;
        } rows[] = {
                { "America/New_York", "2026-03-08T01:59:59Z", "2026-03-08T06:59:59Z", 0 },
                { "America/New_York", "2026-03-08T02:00:00Z", "2026-03-08T07:00:00Z", 1 },
                { "America/New_York", "2026-03-08T02:59:59Z", "2026-03-08T07:00:00Z", 1 },
                { "America/New_York", "2026-03-08T03:00:00Z", "2026-03-08T07:00:00Z", 0 },
                { "America/New_York", "2026-11-01T00:59:59Z", "2026-11-01T04:59:59Z", 0 },
                { "America/New_York", "2026-11-01T01:00:00Z", "2026-11-01T05:00:00Z", 2 },
                { "America/New_York", "2026-11-01T01:59:59Z", "2026-11-01T05:59:59Z", 2 },
                { "America/New_York", "2026-11-01T02:00:00Z", "2026-11-01T07:00:00Z", 0 },
                { "America/Sao_Paulo", "2018-11-04T00:00:00Z", "2018-11-04T03:00:00Z", 1 },
                { "America/Sao_Paulo", "2018-02-17T23:30:00Z", "2018-02-18T01:30:00Z", 2 },
                { "Australia/Lord_Howe", "2026-10-04T02:15:00Z", "2026-10-03T15:30:00Z", 1 },
                { "Australia/Lord_Howe", "2026-10-04T02:30:00Z", "2026-10-03T15:30:00Z", 0 },
                { "Australia/Lord_Howe", "2026-04-05T01:45:00Z", "2026-04-04T14:45:00Z", 2 },
                { "Asia/Kathmandu", "2026-11-21T05:45:00Z", "2026-11-21T00:00:00Z", 0 },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct zone *z CLEANUP(zone_cleanup) = load(rows[i].zone);
                instant t = 0;
                assert_int_equal(zone_to_instant(z, at(rows[i].local) / INSTANT_SECOND, &t),
                                 rows[i].kind);
                char text[INSTANT_TEXT_MAX];
                instant_format(t, text);
                assert_string_equal(text, rows[i].utc);
        }
}

static void refuses_unknown_zones_and_restores_tz(void **state)
{
        (void)state;
        static const char *const names[] = { "",
                                             "Mars/Olympus",
                                             "../zoneinfo/UTC",
                                             "Europe/../UTC",
                                             "/usr/share/zoneinfo/UTC",
                                             "Europe",
                                             "zone.tab",
                                             ":UTC" };
        setenv("TZ", "Asia/Tokyo", 1);
        tzset();
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                struct zone *z = NULL;
                struct err e = ERR_INIT;
                assert_int_equal(zone_load(names[i], &z, &e), -1);
                assert_null(z);
                assert_int_equal(e.class, ERR_FATAL);
                char expected[200];
                snprintf(expected, sizeof expected, "time zone \"%s\" is not in", names[i]);
                assert_ptr_equal(strstr(e.text, expected), e.text);
        }
        zone_free(load("Europe/Berlin"));
        assert_string_equal(getenv("TZ"), "Asia/Tokyo");
        time_t zero = 0;
        struct tm tm;
        assert_int_equal(localtime_r(&zero, &tm)->tm_hour, 9);
        unsetenv("TZ");
        zone_free(load("Europe/Berlin"));
        assert_null(getenv("TZ"));
}

static void reads_rules(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int year;
                const char *begins, *ends; /* NULL: no summer time */
        } rows[] = {
                { "CET-1CEST,M3.5.0,M10.5.0/3", 2045, "2045-03-26T01:00:00Z",
                  "2045-10-29T01:00:00Z" },
                /* winter time is the exception */
                { "IST-1GMT0,M10.5.0,M3.5.0/1", 2026, "2026-10-25T01:00:00Z",
                  "2026-03-29T01:00:00Z" },
                { "NST3:30NDT,M3.2.0,M11.1.0", 2100, "2100-03-14T05:30:00Z",
                  "2100-11-07T04:30:00Z" },
                { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, "2026-03-29T01:00:00Z",
                  "2026-10-25T01:00:00Z" },
                { "EST5EDT,J60,J300", 2024, "2024-03-01T07:00:00Z", "2024-10-27T06:00:00Z" },
                { "EST5EDT,59/3:30:15,299", 2024, "2024-02-29T08:30:15Z", "2024-10-26T06:00:00Z" },
                { "IST-2IDT,M3.4.4/26,M10.5.0", 2026, "2026-03-27T00:00:00Z",
                  "2026-10-24T23:00:00Z" },
                { "<+13>-13", 2026, NULL, NULL },
        };
        static const char *const wrong[] = { "",
                                             "CE-1",
                                             "CET",
                                             "CET-1CEST",
                                             "CET-1CEST,M3.5.0",
                                             "CET-1CEST,M13.5.0,M10.5.0",
                                             "CET-1CEST,M3.6.0,M10.5.0",
                                             "CET-1CEST,M3.5.7,M10.5.0",
                                             "CET-1CEST,J0,J3",
                                             "CET-1CEST,366,3",
                                             "CET-1CEST,M3.5.0,M10.5.0x",
                                             "CET-168",
                                             "<+13-13",
                                             "CET-1:60",
                                             "CET-1CEST,M3.5.0/,M10.5.0" };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct tz_rule r;
                assert_true(tz_rule_parse(rows[i].text, &r));
                assert_int_equal(r.has_summer, rows[i].begins != NULL);
                if (!r.has_summer)
                        continue;
                assert_int_equal(tz_rule_change(&r, rows[i].year, true) * INSTANT_SECOND,
                                 at(rows[i].begins));
                assert_int_equal(tz_rule_change(&r, rows[i].year, false) * INSTANT_SECOND,
                                 at(rows[i].ends));
        }
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                struct tz_rule r;
                if (tz_rule_parse(wrong[i], &r))
                        fail_msg("taken: %s", wrong[i]);
        }
}

/* Every beginning of a file, and every byte of it turned over, is a zone or an error. */
static void survives_broken_files(void **state)
{
        (void)state;
        char folder[] = "/tmp/rollcall-zones-XXXXXX", path[64], data[8192];
        FILE *f = fopen("/usr/share/zoneinfo/America/St_Johns", "re");
        assert_non_null(f);
        size_t len = fread(data, 1, sizeof data, f);
        fclose(f);
        snprintf(path, sizeof path, "%s/X", mkdtemp(folder));
        setenv("TZDIR", folder, 1);
        for (size_t i = 0; i < 2 * len; i += 1 + i % 3) {
                struct zone *z CLEANUP(zone_cleanup) = NULL;
                struct err e = ERR_INIT;
                char broken[sizeof data];
                memcpy(broken, data, len);
                broken[i / 2] = (char)~broken[i / 2];
                f = fopen(path, "we");
                assert_non_null(f);
                assert_int_equal(i % 2 ? fwrite(broken, 1, len, f) : fwrite(data, 1, i / 2, f),
                                 i % 2 ? len : i / 2);
                fclose(f);
                if (zone_load("X", &z, &e) < 0)
                        assert_non_null(strstr(e.text, "time zone \"X\""));
                else
                        (void)zone_offset(z, at("2500-01-01T00:00:00Z"));
        }
        unsetenv("TZDIR");
        unlink(path);
        assert_int_equal(rmdir(folder), 0);
}

static void honours_tzdir(void **state)
{
        (void)state;
        setenv("TZDIR", "/nonexistent", 1);
        struct zone *z = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(zone_load("UTC", &z, &e), -1);
        unsetenv("TZDIR");
        zone_free(load("UTC"));
}

static void holds_the_nearest_offset_outside_the_table(void **state)
{
        (void)state;
        const instant change[] = { 1000 * INSTANT_SECOND, 2000 * INSTANT_SECOND };
        const int offset[] = { 3600, -1800 };
        struct zone *z CLEANUP(zone_cleanup) = zone_new("X", 7200, change, offset, 2);
        static const struct {
                int64_t second;
                int offset;
        } rows[] = { { INT64_C(-9000000000), 7200 },
                     { 999, 7200 },
                     { 1000, 3600 },
                     { 1999, 3600 },
                     { 2000, -1800 },
                     { INT64_C(9000000000), -1800 } };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                assert_int_equal(zone_offset(z, rows[i].second * INSTANT_SECOND), rows[i].offset);
        assert_int_equal(zone_offset(z, 1000 * INSTANT_SECOND - 1), 7200);
        char text[INSTANT_TEXT_MAX];
        zone_format(z, 2000 * INSTANT_SECOND, text);
        assert_string_equal(text, "1970-01-01T00:03:20-00:30");
        zone_format(z, -1, text);
        assert_string_equal(text, "1970-01-01T01:59:59+02:00");
}

static void formats_local_mean_time_as_the_same_instant(void **state)
{
        (void)state;
        /* -03:06:28 */
        struct zone *z CLEANUP(zone_cleanup) = zone_new("LMT", -11188, NULL, NULL, 0);
        char text[INSTANT_TEXT_MAX];
        zone_format(z, at("1900-01-01T12:00:00Z"), text);
        assert_string_equal(text, "1900-01-01T08:54:00-03:06");
        assert_true(at(text) == at("1900-01-01T12:00:00Z"));
}

static void finds_next_and_previous(void **state)
{
        (void)state;
        static const struct {
                const char *cron, *zone, *after, *next; /* next NULL: none */
        } rows[] = {
                { "* * * * *", "UTC", "2026-11-21T09:00:00Z", "2026-11-21T09:01:00Z" },
                { "* * * * *", "UTC", "2026-11-21T08:59:59.999999Z", "2026-11-21T09:00:00Z" },
                { "*/15 * * * *", "UTC", "2026-12-31T23:50:00Z", "2027-01-01T00:00:00Z" },
                { "5-59/20 3 * * *", "UTC", "2026-11-21T03:05:00Z", "2026-11-21T03:25:00Z" },
                { "0 8 * * mon-fri", "UTC", "2026-11-20T08:00:00Z", "2026-11-23T08:00:00Z" },
                { "0 8 * * 7", "UTC", "2026-11-21T09:00:00Z", "2026-11-22T08:00:00Z" },
                { "0 8 * * 0", "UTC", "2026-11-21T09:00:00Z", "2026-11-22T08:00:00Z" },
                { "0 8 * * FRI-Sun", "UTC", "2026-11-22T08:00:00Z", "2026-11-27T08:00:00Z" },
                { "0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z" },
                { "0 0 29 2 *", "UTC", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
                { "0 0 29 FEB *", "UTC", "2096-03-01T00:00:00Z", NULL },
                { "30 12 1,15 jan,jul *", "UTC", "2026-01-15T12:30:00Z", "2026-07-01T12:30:00Z" },
                /* Vixie: either day field, when both are restricted; both, when one starts with a
                   star. */
                { "0 0 13 * 5", "UTC", "2026-11-21T00:00:00Z", "2026-11-27T00:00:00Z" },
                { "0 0 24 * 5", "UTC", "2026-11-21T00:00:00Z", "2026-11-24T00:00:00Z" },
                { "0 0 */2 * 5", "UTC", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z" },
                { "@weekly", "UTC", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z" },
                { "@monthly", "UTC", "2026-11-21T00:00:00Z", "2026-12-01T00:00:00Z" },
                { "@yearly", "UTC", "2026-11-21T00:00:00Z", "2027-01-01T00:00:00Z" },
                { "@midnight", "America/Sao_Paulo", "2026-11-21T09:00:00Z",
                  "2026-11-22T03:00:00Z" },
                { " @Hourly ", "Asia/Kathmandu", "2026-11-21T00:00:00Z", "2026-11-21T00:15:00Z" },
                /* gap at midnight */
                { "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z",
                  "2018-11-04T03:00:00Z" },
                { "0 0 * * *", "America/Sao_Paulo", "2018-11-04T03:00:00Z",
                  "2018-11-05T02:00:00Z" },
                { "0 0,1 * * *", "America/Sao_Paulo", "2018-11-04T03:00:00Z",
                  "2018-11-05T02:00:00Z" },
                { "30 0 4 11 *", "America/Sao_Paulo", "2018-11-01T00:00:00Z",
                  "2018-11-04T03:00:00Z" },
                /* overlap before midnight */
                { "30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z",
                  "2018-02-18T01:30:00Z" },
                { "30 23 * * *", "America/Sao_Paulo", "2018-02-18T01:30:00Z",
                  "2018-02-19T02:30:00Z" },
                { "0 0 * * *", "America/Sao_Paulo", "2018-02-18T01:30:00Z",
                  "2018-02-18T03:00:00Z" },
                /* gap */
                { "30 2 * * *", "America/New_York", "2026-03-08T06:59:00Z",
                  "2026-03-08T07:00:00Z" },
                { "30 2 * * *", "America/New_York", "2026-03-08T07:00:00Z",
                  "2026-03-09T06:30:00Z" },
                { "*/15 * * * *", "America/New_York", "2026-03-08T06:45:00Z",
                  "2026-03-08T07:00:00Z" },
                { "*/15 * * * *", "America/New_York", "2026-03-08T07:00:00Z",
                  "2026-03-08T07:15:00Z" },
                { "0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z" },
                { "0 * * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z" },
                /* overlap */
                { "30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z" },
                { "30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" },
                { "*/15 * * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", "2026-10-25T02:00:00Z" },
                { "*/15 * * * *", "Europe/Berlin", "2026-10-25T01:20:00Z", "2026-10-25T02:00:00Z" },
                { "0 * * * *", "America/New_York", "2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z" },
                /* half an hour */
                { "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
                  "2026-10-03T15:30:00Z" },
                { "*/10 * * * *", "Australia/Lord_Howe", "2026-10-03T15:20:00Z",
                  "2026-10-03T15:30:00Z" },
                { "*/10 * * * *", "Australia/Lord_Howe", "2026-10-03T15:30:00Z",
                  "2026-10-03T15:40:00Z" },
                { "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z",
                  "2026-04-05T15:15:00Z" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct zone *z CLEANUP(zone_cleanup) = load(rows[i].zone);
                struct cron c = cron(rows[i].cron);
                instant after = at(rows[i].after), next = cron_next(&c, z, after);
                char text[INSTANT_TEXT_MAX] = "none", label[200];
                if (next != INSTANT_NONE)
                        instant_format(next, text);
                snprintf(label, sizeof label, "%s %s after %s: %s", rows[i].cron, rows[i].zone,
                         rows[i].after, text);
                print_message("%s\n", label);
                assert_string_equal(text, rows[i].next ? rows[i].next : "none");
                if (next == INSTANT_NONE)
                        continue;
                assert_true(cron_previous(&c, z, next, after) == next);
                assert_true(cron_previous(&c, z, next, next) == INSTANT_NONE);
                assert_true(cron_previous(&c, z, next - 1, after) == INSTANT_NONE);
        }
}

/* The oracle: every minute asked of the C library, in order; no table, no search. */
static size_t brute_force(const struct cron *c, const char *zone, instant from, instant to,
                          instant *list, size_t max)
{
        setenv("TZ", zone, 1);
        tzset();
        size_t n = 0;
        /* local second of the last minute: what is not above it is a repetition */
        int64_t highest = INT64_MIN;
        for (instant t = from - 3 * 3600 * INSTANT_SECOND; t <= to; t += MINUTE_US) {
                time_t second = t / INSTANT_SECOND;
                struct tm tm;
                localtime_r(&second, &tm);
                int64_t local = second + tm.tm_gmtoff;
                bool fires = false;
                for (int64_t l = highest == INT64_MIN ? local : highest + 60; l <= local; l += 60) {
                        time_t as_utc = l;
                        gmtime_r(&as_utc, &tm);
                        bool d = c->day >> tm.tm_mday & 1, w = c->weekday >> tm.tm_wday & 1;
                        fires = fires ||
                                ((c->minute >> tm.tm_min & 1) && (c->hour >> tm.tm_hour & 1) &&
                                 (c->month >> (tm.tm_mon + 1) & 1) &&
                                 (c->any_day || c->any_weekday ? d && w : d || w));
                }
                if (local > highest)
                        highest = local;
                if (fires && t > from && n < max)
                        list[n++] = t;
        }
        unsetenv("TZ");
        tzset();
        return n;
}

static void agrees_with_brute_force(void **state)
{
        (void)state;
        static const char *const crons[] = { "* * * * *",        "*/15 * * * *",  "0 * * * *",
                                             "30 * * * *",       "30 2 * * *",    "0 0 * * *",
                                             "5,10 1-3 * * *",   "*/7 */2 * * *", "59 23 * * sun",
                                             "0 3 1-7,24-31 * 0" };
        static const struct {
                const char *zone, *from;
        } windows[] = {
                { "America/Sao_Paulo", "2018-11-02T12:00:00Z" },
                { "America/Sao_Paulo", "2018-02-16T12:00:00Z" },
                { "America/New_York", "2026-03-07T00:00:00Z" },
                { "America/New_York", "2026-10-31T00:00:00Z" },
                { "Europe/Berlin", "2026-03-28T00:00:00Z" },
                { "Europe/Berlin", "2026-10-24T00:00:00Z" },
                { "Australia/Lord_Howe", "2026-04-03T12:00:00Z" },
                { "Australia/Lord_Howe", "2026-10-02T12:00:00Z" },
                { "Asia/Kathmandu", "2028-02-28T00:00:00Z" },
                { "Africa/Casablanca", "2026-02-13T00:00:00Z" },
        };
        static instant expected[5000], found[5000];
        for (size_t w = 0; w < ARRAY_LEN(windows); w++) {
                struct zone *z CLEANUP(zone_cleanup) = load(windows[w].zone);
                instant from = at(windows[w].from), to = from + 3 * 86400 * INSTANT_SECOND;
                for (size_t i = 0; i < ARRAY_LEN(crons); i++) {
                        struct cron c = cron(crons[i]);
                        size_t n = brute_force(&c, windows[w].zone, from, to, expected,
                                               ARRAY_LEN(expected));
                        size_t k = 0;
                        for (instant t = cron_next(&c, z, from); t != INSTANT_NONE && t <= to;
                             t = cron_next(&c, z, t))
                                found[k++] = t;
                        assert_int_equal(k, n);
                        assert_memory_equal(found, expected, n * sizeof *found);
                        for (instant t = to; (t = cron_previous(&c, z, t, from)) != INSTANT_NONE;
                             t--)
                                assert_true(k > 0 && t == expected[--k]);
                        assert_int_equal(k, 0);
                        /* from every minute, also those of a second pass */
                        size_t last = 0;
                        for (instant t = from + MINUTE_US / 2; t < to; t += MINUTE_US) {
                                while (last < n && expected[last] <= t)
                                        last++;
                                assert_true(cron_previous(&c, z, t, from) ==
                                            (last ? expected[last - 1] : INSTANT_NONE));
                        }
                }
        }
}

static void previous_without_floor(void **state)
{
        (void)state;
        struct zone *z CLEANUP(zone_cleanup) = load("UTC");
        struct cron c = cron("0 0 29 2 *");
        assert_true(cron_previous(&c, z, at("2028-02-28T00:00:00Z"), INSTANT_NONE) ==
                    at("2024-02-29T00:00:00Z"));
        assert_true(cron_previous(&c, z, at("2103-01-01T00:00:00Z"), INSTANT_NONE) == INSTANT_NONE);
}

static void refuses_bad_expressions(void **state)
{
        (void)state;
        static const struct {
                const char *text, *error;
        } rows[] = {
                { "",
                  "cron \"\": 0 fields, expected 5: minute hour day-of-month month day-of-week" },
                { "* * * *", "cron \"* * * *\": 4 fields, expected 5" },
                { "* * * * * *", "cron \"* * * * * *\": 6 fields, expected 5" },
                { "60 * * * *", "cron: minute field \"60\": expected *, 0-59" },
                { "* 24 * * *", "cron: hour field \"24\": expected *, 0-23" },
                { "* * 0 * *", "cron: day-of-month field \"0\": expected *, 1-31" },
                { "* * 32 * *", "cron: day-of-month field \"32\"" },
                { "* * * 13 *", "cron: month field \"13\": expected *, 1-12 or jan-dec" },
                { "* * * foo *", "cron: month field \"foo\"" },
                { "* * * january *", "cron: month field \"january\"" },
                { "* * * * 8", "cron: day-of-week field \"8\": expected *, 0-7 (0 and 7 are "
                               "Sunday) or sun-sat" },
                { "* * * * sat-mon", "cron: day-of-week field \"sat-mon\"" },
                { "5/15 * * * *",
                  "cron: minute field \"5/15\": expected *, 0-59, a range a-b, */step, a-b/step" },
                { "*/0 * * * *", "cron: minute field \"*/0\"" },
                { "*/61 * * * *", "cron: minute field \"*/61\"" },
                { "*/ * * * *", "cron: minute field \"*/\"" },
                { "1, * * * *", "cron: minute field \"1,\"" },
                { ",1 * * * *", "cron: minute field \",1\"" },
                { "5-1 * * * *", "cron: minute field \"5-1\"" },
                { "-1 * * * *", "cron: minute field \"-1\"" },
                { "1-2-3 * * * *", "cron: minute field \"1-2-3\"" },
                { "00000000000000000001 * * * *", "cron: minute field \"00000000000000000001\"" },
                { "0 0 30 2 *", "cron \"0 0 30 2 *\": can never match" },
                { "0 0 31 4,6,9,nov *", "cron \"0 0 31 4,6,9,nov *\": can never match" },
                { "@reboot", "cron \"@reboot\": expected @hourly, @daily" },
                { "@daily x", "cron \"@daily x\": expected @hourly" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct cron c;
                struct err e = ERR_INIT;
                assert_int_equal(cron_parse(rows[i].text, &c, &e), -1);
                assert_int_equal(e.class, ERR_FATAL);
                if (strncmp(e.text, rows[i].error, strlen(rows[i].error)) != 0)
                        fail_msg("%s: %s", rows[i].text, e.text);
        }
        char *long_field = malloc(400);
        memset(long_field, '1', 300);
        strcpy(long_field + 300, " * * * *");
        struct cron c;
        struct err e = ERR_INIT;
        assert_int_equal(cron_parse(long_field, &c, &e), -1);
        assert_string_equal(e.text, "cron: minute field has more than 127 characters");
        free(long_field);
        /* Both day fields restricted: the weekday matches, so this one can. */
        cron("0 0 30 2 1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(formats_instants_of_real_zones),
                cmocka_unit_test(maps_local_times),
                cmocka_unit_test(refuses_unknown_zones_and_restores_tz),
                cmocka_unit_test(honours_tzdir),
                cmocka_unit_test(reads_rules),
                cmocka_unit_test(survives_broken_files),
                cmocka_unit_test(holds_the_nearest_offset_outside_the_table),
                cmocka_unit_test(formats_local_mean_time_as_the_same_instant),
                cmocka_unit_test(finds_next_and_previous),
                cmocka_unit_test(agrees_with_brute_force),
                cmocka_unit_test(previous_without_floor),
                cmocka_unit_test(refuses_bad_expressions),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
