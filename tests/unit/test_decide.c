/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's pure core: which slots are run, skipped or wait, and which requested runs may
 * start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/messages.h"
#include "decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static struct pack pack = { .name = "p" };

static instant at(const char *text)
{
        instant t;
        if (!text)
                return INSTANT_NONE;
        if (!instant_parse(text, strlen(text), &t))
                fail_msg("not an instant: %s", text);
        return t;
}

static struct job job(const char *schedule, const char *zone)
{
        struct job j = { .pack = &pack,
                         .name = "j",
                         .full_name = (char *)(uintptr_t)"p.j",
                         .schedule = schedule };
        struct err e = ERR_INIT;
        if (cron_parse(schedule, &j.cron, &e) < 0 || zone_load(zone, &j.zone, &e) < 0)
                fail_msg("%s", e.text);
        return j;
}

/* "run SLOT", "late SLOT", "skip N SLOT", "wait SLOT", joined by ", ", then "to CONSIDERED" and
 * "more". */
static void describe(const struct decisions *d, char *text, size_t max)
{
        size_t n = 0;
        char slot[INSTANT_TEXT_MAX];
        *text = '\0';
        for (size_t i = 0; i < d->n; i++) {
                const struct decision *x = &d->list[i];
                instant_format(x->slot, slot);
                if (x->kind == DECIDE_SKIP)
                        n += (size_t)snprintf(text + n, max - n, "skip %d %.16s, ", x->count, slot);
                else
                        n += (size_t)snprintf(text + n, max - n, "%s %.16s, ",
                                              x->kind == DECIDE_WAIT ? "wait"
                                              : x->catch_up          ? "late"
                                                                     : "run",
                                              slot);
        }
        if (d->considered_at == INSTANT_NONE) {
                snprintf(text + n, max - n, "same%s", d->more ? " more" : "");
                return;
        }
        instant_format(d->considered_at, slot);
        snprintf(text + n, max - n, "to %.16s%s", slot, d->more ? " more" : "");
}

static void slots(void **state)
{
        (void)state;
        static const struct row {
                const char *what, *schedule, *zone, *considered, *now;
                enum catch_up catch_up;
                enum concurrency_policy policy;
                bool suspended, open, held, dry_run;
                int64_t deadline_ms;
                const char *expected;
        } rows[] = {
                { .what = "first seen: nothing from before its time",
                  .schedule = "0 6 * * *",
                  .now = "2026-11-21T06:00:30Z",
                  .expected = "to 2026-11-21T06:00" },
                { .what = "nothing is due",
                  .schedule = "0 6 * * *",
                  .considered = "2026-11-21T06:00:00Z",
                  .now = "2026-11-21T23:00:00Z",
                  .expected = "same" },
                { .what = "a clock that went back",
                  .schedule = "* * * * *",
                  .considered = "2026-11-21T06:00:00Z",
                  .now = "2026-11-21T05:00:00Z",
                  .expected = "same" },
                { .what = "at the very instant",
                  .schedule = "0 6 * * *",
                  .considered = "2026-11-21T05:59:00Z",
                  .now = "2026-11-21T06:00:00Z",
                  .expected = "run 2026-11-21T06:00, to 2026-11-21T06:00" },
                { .what = "a moment before",
                  .schedule = "0 6 * * *",
                  .considered = "2026-11-20T06:00:00Z",
                  .now = "2026-11-21T05:59:59.999999Z",
                  .expected = "same" },
                { .what = "within grace, catch_up none",
                  .schedule = "0 6 * * *",
                  .considered = "2026-11-20T06:00:00Z",
                  .now = "2026-11-21T06:01:00Z",
                  .catch_up = CATCH_UP_NONE,
                  .expected = "run 2026-11-21T06:00, to 2026-11-21T06:00" },

                { .what = "down over one slot, latest",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-20T02:00:00Z",
                  .now = "2026-11-21T09:00:00Z",
                  .expected = "late 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "down over several slots, latest",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-17T02:00:00Z",
                  .now = "2026-11-21T09:00:00Z",
                  .expected = "skip 3 2026-11-20T02:00, late 2026-11-21T02:00, to "
                              "2026-11-21T02:00" },
                { .what = "down over several slots, the last is on time",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-18T02:00:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .expected = "skip 2 2026-11-20T02:00, run 2026-11-21T02:00, to "
                              "2026-11-21T02:00" },
                { .what = "down over several slots, none",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-17T02:00:00Z",
                  .now = "2026-11-21T09:00:00Z",
                  .catch_up = CATCH_UP_NONE,
                  .expected = "skip 3 2026-11-20T02:00, skip 1 2026-11-21T02:00, to "
                              "2026-11-21T02:00" },
                { .what = "down, none, the last is on time",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-18T02:00:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .catch_up = CATCH_UP_NONE,
                  .expected = "skip 2 2026-11-20T02:00, run 2026-11-21T02:00, to "
                              "2026-11-21T02:00" },
                { .what = "down over several slots, all, allow",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-18T02:00:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .catch_up = CATCH_UP_ALL,
                  .policy = CONCURRENCY_ALLOW,
                  .expected = "late 2026-11-19T02:00, late 2026-11-20T02:00, run 2026-11-21T02:00, "
                              "to 2026-11-21T02:00" },
                { .what = "all, forbid: one after the other",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-18T02:00:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .catch_up = CATCH_UP_ALL,
                  .expected = "late 2026-11-19T02:00, wait 2026-11-20T02:00, to 2026-11-19T02:00" },
                { .what = "all, forbid, open",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-19T02:00:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .open = true,
                  .catch_up = CATCH_UP_ALL,
                  .expected = "wait 2026-11-20T02:00, same" },
                { .what = "all, a year of minutes: a part at a time",
                  .schedule = "0 * * * *",
                  .considered = "2026-01-01T00:30:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .catch_up = CATCH_UP_ALL,
                  .policy = CONCURRENCY_ALLOW,
                  .expected = "late 2026-01-01T01:00, late 2026-01-01T02:00, late "
                              "2026-01-01T03:00, late 2026-01-01T04:00, late 2026-01-01T05:00, "
                              "late 2026-01-01T06:00, late 2026-01-01T07:00, late "
                              "2026-01-01T08:00, late 2026-01-01T09:00, late 2026-01-01T10:00, "
                              "late 2026-01-01T11:00, late 2026-01-01T12:00, late "
                              "2026-01-01T13:00, late 2026-01-01T14:00, late 2026-01-01T15:00, "
                              "late 2026-01-01T16:00, to 2026-01-01T16:00 more" },
                { .what = "a year of minutes, latest: the count is bounded",
                  .schedule = "* * * * *",
                  .considered = "2025-11-21T02:00:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .expected = "skip 1000 2026-11-21T01:59, run 2026-11-21T02:00, to "
                              "2026-11-21T02:00" },

                { .what = "deadline passed",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-20T02:00:00Z",
                  .now = "2026-11-21T09:00:00Z",
                  .deadline_ms = HOUR,
                  .expected = "skip 1 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "at the deadline it still starts",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-20T02:00:00Z",
                  .now = "2026-11-21T03:00:00Z",
                  .deadline_ms = HOUR,
                  .expected = "late 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "a moment after the deadline",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-20T02:00:00Z",
                  .now = "2026-11-21T03:00:00.000001Z",
                  .deadline_ms = HOUR,
                  .expected = "skip 1 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "deadline cuts off what all would run",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T00:00:00Z",
                  .now = "2026-11-21T09:30:00Z",
                  .deadline_ms = 2 * HOUR,
                  .catch_up = CATCH_UP_ALL,
                  .policy = CONCURRENCY_ALLOW,
                  .expected = "skip 7 2026-11-21T07:00, late 2026-11-21T08:00, late "
                              "2026-11-21T09:00, to 2026-11-21T09:00" },

                { .what = "suspended",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-18T02:00:00Z",
                  .now = "2026-11-21T02:00:10Z",
                  .suspended = true,
                  .expected = "skip 3 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "suspended, nothing due",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-21T02:00:00Z",
                  .now = "2026-11-21T03:00:00Z",
                  .suspended = true,
                  .expected = "same" },
                { .what = "resumed: what was due meanwhile is not caught up",
                  .schedule = "0 2 * * *",
                  .considered = "2026-11-21T02:00:00Z",
                  .now = "2026-11-21T03:00:00Z",
                  .catch_up = CATCH_UP_ALL,
                  .expected = "same" },

                { .what = "forbid, open: waits",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .expected = "wait 2026-11-21T02:00, same" },
                { .what = "forbid, open over several slots: the latest waits",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T04:00:00Z",
                  .open = true,
                  .expected = "skip 2 2026-11-21T03:00, wait 2026-11-21T04:00, to "
                              "2026-11-21T03:00" },
                { .what = "forbid, open, none: skipped",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .catch_up = CATCH_UP_NONE,
                  .expected = "skip 1 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "forbid, open, deadline",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:31:00Z",
                  .open = true,
                  .deadline_ms = 30 * MINUTE,
                  .expected = "skip 1 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "allow, open",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .policy = CONCURRENCY_ALLOW,
                  .expected = "run 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "replace, open",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .policy = CONCURRENCY_REPLACE,
                  .expected = "run 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "held for review, allow: waits all the same",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .held = true,
                  .policy = CONCURRENCY_ALLOW,
                  .expected = "wait 2026-11-21T02:00, same" },
                { .what = "held for review, all: the oldest waits",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T04:00:00Z",
                  .open = true,
                  .held = true,
                  .policy = CONCURRENCY_ALLOW,
                  .catch_up = CATCH_UP_ALL,
                  .expected = "wait 2026-11-21T02:00, same" },
                { .what = "held for review, replace: the newer run takes its place",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .held = true,
                  .policy = CONCURRENCY_REPLACE,
                  .expected = "run 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "held for review, a job that is dry",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .held = true,
                  .dry_run = true,
                  .expected = "run 2026-11-21T02:00, to 2026-11-21T02:00" },
                { .what = "a dry run disturbs nobody",
                  .schedule = "0 * * * *",
                  .considered = "2026-11-21T01:00:00Z",
                  .now = "2026-11-21T02:00:00Z",
                  .open = true,
                  .dry_run = true,
                  .expected = "run 2026-11-21T02:00, to 2026-11-21T02:00" },

                { .what = "Sao Paulo",
                  .schedule = "0 6 * * *",
                  .zone = "America/Sao_Paulo",
                  .considered = "2026-11-20T09:00:00Z",
                  .now = "2026-11-21T09:00:00Z",
                  .expected = "run 2026-11-21T09:00, to 2026-11-21T09:00" },
                { .what = "a skipped time runs once, right after the gap",
                  .schedule = "30 2 * * *",
                  .zone = "America/New_York",
                  .considered = "2026-03-07T07:30:00Z",
                  .now = "2026-03-08T07:00:00Z",
                  .expected = "run 2026-03-08T07:00, to 2026-03-08T07:00" },
                { .what = "not again half an hour later",
                  .schedule = "30 2 * * *",
                  .zone = "America/New_York",
                  .considered = "2026-03-08T07:00:00Z",
                  .now = "2026-03-08T12:00:00Z",
                  .expected = "same" },
                { .what = "the day after a gap",
                  .schedule = "30 2 * * *",
                  .zone = "America/New_York",
                  .considered = "2026-03-08T07:00:00Z",
                  .now = "2026-03-09T06:30:00Z",
                  .expected = "run 2026-03-09T06:30, to 2026-03-09T06:30" },
                { .what = "a repeated time runs the first time",
                  .schedule = "30 1 * * *",
                  .zone = "America/New_York",
                  .considered = "2026-10-31T05:30:00Z",
                  .now = "2026-11-01T05:30:00Z",
                  .expected = "run 2026-11-01T05:30, to 2026-11-01T05:30" },
                { .what = "and not the second time",
                  .schedule = "30 1 * * *",
                  .zone = "America/New_York",
                  .considered = "2026-11-01T05:30:00Z",
                  .now = "2026-11-01T06:30:00Z",
                  .expected = "same" },
                { .what = "down over a gap and a weekend",
                  .schedule = "30 2 * * *",
                  .zone = "Europe/Berlin",
                  .considered = "2026-03-27T01:30:00Z",
                  .now = "2026-03-30T08:00:00Z",
                  .catch_up = CATCH_UP_ALL,
                  .policy = CONCURRENCY_ALLOW,
                  .expected = "late 2026-03-28T01:30, late 2026-03-29T01:00, late "
                              "2026-03-30T00:30, to 2026-03-30T00:30" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct row *r = &rows[i];
                struct job j = job(r->schedule, r->zone ? r->zone : "UTC");
                j.catch_up = r->catch_up;
                j.concurrency_policy = r->policy;
                j.starting_deadline_ms = r->deadline_ms;
                j.dry_run = r->dry_run;
                struct job_state s = { at(r->considered), r->suspended, r->open, r->held };
                struct decisions d;
                char text[1000];
                decide_slots(&j, &s, at(r->now), MINUTE, &d);
                describe(&d, text, sizeof text);
                if (strcmp(text, r->expected) != 0)
                        fail_msg("%s:\n  found    %s\n  expected %s", r->what, text, r->expected);
                zone_free(j.zone);
        }
}

static void a_job_without_schedule_has_no_slots(void **state)
{
        (void)state;
        struct job j = { .pack = &pack, .name = "j" };
        struct job_state s = { at("2026-11-20T00:00:00Z"), false, false, false };
        struct decisions d;
        decide_slots(&j, &s, at("2026-11-21T00:00:00Z"), MINUTE, &d);
        assert_int_equal(d.n, 0);
        assert_true(decide_next(&j, at("2026-11-21T00:00:00Z")) == INSTANT_NONE);
}

/* Whatever was decided is not decided again, and what is left is; over every combination of
 * policies. */
static void deciding_again_goes_on_where_it_ended(void **state)
{
        (void)state;
        for (int policy = 0; policy < 3 * 3; policy++) {
                struct job j = job("*/10 * * * *", "UTC");
                j.catch_up = (enum catch_up)(policy / 3);
                j.concurrency_policy = (enum concurrency_policy)(policy % 3);
                struct job_state s = { at("2026-11-20T00:00:00Z"), false, false, false };
                instant now = at("2026-11-21T00:05:00Z"), last = s.considered_at;
                int decided = 0, rounds = 0;
                for (bool more = true; more; rounds++) {
                        struct decisions d;
                        decide_slots(&j, &s, now, MINUTE, &d);
                        more = d.considered_at != INSTANT_NONE;
                        for (size_t i = 0; i < d.n; i++) {
                                assert_true(d.list[i].slot > last || d.list[i].kind == DECIDE_WAIT);
                                if (d.list[i].kind == DECIDE_WAIT)
                                        continue;
                                last = d.list[i].slot;
                                decided += d.list[i].count;
                        }
                        if (more)
                                /* and the run that was requested has closed meanwhile */
                                s.considered_at = d.considered_at;
                        assert_true(rounds < 200);
                }
                assert_int_equal(decided, 144);
                assert_true(last == at("2026-11-21T00:00:00Z"));
                zone_free(j.zone);
        }
}

static void two_schedulers_decide_the_same_runs(void **state)
{
        (void)state;
        struct job a = job("0 6 * * *", "America/Sao_Paulo"),
                   b = job("0 6 * * *", "America/Sao_Paulo");
        a.jitter_ms = b.jitter_ms = 10 * MINUTE;
        struct job_state s = { at("2026-11-20T09:00:00Z"), false, false, false };
        struct decisions first, second;
        decide_slots(&a, &s, at("2026-11-21T09:00:00.25Z"), MINUTE, &first);
        decide_slots(&b, &s, at("2026-11-21T09:00:31Z"), MINUTE, &second); /* its clock is ahead */
        assert_int_equal(first.n, 1);
        assert_int_equal(second.n, 1);
        assert_true(first.list[0].slot == second.list[0].slot &&
                    first.list[0].not_before == second.list[0].not_before);
        struct uuid x = run_id_of(span_of("p"), span_of("j"), first.list[0].slot),
                    y = run_id_of(span_of("p"), span_of("j"), second.list[0].slot);
        assert_true(uuid_eq(x, y));
        zone_free(a.zone);
        zone_free(b.zone);
}

static void jitter_staggers_within_its_span(void **state)
{
        (void)state;
        struct job j = job("0 6 * * *", "UTC");
        instant slot = at("2026-11-21T06:00:00Z");
        assert_true(decide_not_before(&j, slot) == INSTANT_NONE);
        j.jitter_ms = 10 * MINUTE;
        int late = 0;
        for (int day = 0; day < 200; day++, slot += 86400 * INSTANT_SECOND) {
                instant t = decide_not_before(&j, slot);
                assert_true(t >= slot && t <= slot + j.jitter_ms * INSTANT_MS);
                assert_true(t == decide_not_before(&j, slot));
                late += t >= slot + j.jitter_ms / 2 * INSTANT_MS;
        }
        assert_true(late > 60 && late < 140);
        struct job other = j;
        other.name = "k";
        assert_true(decide_not_before(&j, slot) != decide_not_before(&other, slot));
        zone_free(j.zone);
}

static void guards(void **state)
{
        (void)state;
        enum { MANUAL = 1, DRY = 2, FORCE = 4, SUSPENDED = 8, NONE = 16 }; /* NONE: catch_up */
        static const struct row {
                const char *what;
                int flags;
                enum concurrency_policy policy;
                const char *slot, *now, *not_before, *last_start;
                int started;
                int64_t interval_ms, deadline_ms;
                enum guard expected;
                const char *says;
        } rows[] = {
                { .what = "nothing in the way", .expected = GUARD_GO },
                { .what = "by hand", .flags = MANUAL, .expected = GUARD_GO },
                { .what = "jitter",
                  .not_before = "2026-11-21T06:05:00Z",
                  .now = "2026-11-21T06:04:59Z",
                  .expected = GUARD_WAIT },
                { .what = "jitter over",
                  .not_before = "2026-11-21T06:05:00Z",
                  .now = "2026-11-21T06:05:00Z",
                  .expected = GUARD_GO },
                { .what = "suspended before it could start",
                  .flags = SUSPENDED,
                  .expected = GUARD_REFUSE,
                  .says = "suspended" },
                { .what = "suspended, by hand", .flags = SUSPENDED | MANUAL, .expected = GUARD_GO },
                { .what = "in the future",
                  .flags = MANUAL | FORCE,
                  .slot = "2026-11-21T06:00:01Z",
                  .expected = GUARD_REFUSE,
                  .says = "2026-11-21T06:00:01+00:00 is in the future" },
                { .what = "a slot, and the clock went back",
                  .slot = "2026-11-21T06:00:01Z",
                  .expected = GUARD_WAIT },
                { .what = "in the future, dry",
                  .flags = MANUAL | DRY,
                  .slot = "2027-11-21T06:00:00Z",
                  .expected = GUARD_GO },

                { .what = "23 h not over",
                  .flags = MANUAL,
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-20T07:00:01Z",
                  .expected = GUARD_REFUSE,
                  .says = "the last run was at 2026-11-20T07:00:01+00:00, less than 23h before; "
                          "--force" },
                { .what = "23 h just over",
                  .flags = MANUAL,
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-20T07:00:00Z",
                  .expected = GUARD_GO },
                { .what = "forced",
                  .flags = MANUAL | FORCE,
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-21T05:00:00Z",
                  .expected = GUARD_GO },
                { .what = "a dry run is free",
                  .flags = MANUAL | DRY,
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-21T05:00:00Z",
                  .expected = GUARD_GO },
                { .what = "never ran",
                  .flags = MANUAL,
                  .interval_ms = 23 * HOUR,
                  .expected = GUARD_GO },
                { .what = "by schedule after a late catch-up: slots count",
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-20T06:00:00Z",
                  .expected = GUARD_GO },
                { .what = "an old slot after a newer run",
                  .slot = "2026-11-19T06:00:00Z",
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-20T06:00:00Z",
                  .expected = GUARD_REFUSE,
                  .says = "less than 23h" },
                { .what = "a request for an old instant counts from now",
                  .flags = MANUAL,
                  .slot = "2020-01-01T00:00:00Z",
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-20T06:00:00Z",
                  .expected = GUARD_GO },

                { .what = "forbid, by schedule", .started = 1, .expected = GUARD_WAIT },
                { .what = "forbid, by schedule, too late",
                  .started = 1,
                  .now = "2026-11-21T06:31:00Z",
                  .deadline_ms = 30 * MINUTE,
                  .expected = GUARD_REFUSE,
                  .says = "still open" },
                { .what = "forbid, by schedule, catch_up none",
                  .flags = NONE,
                  .started = 1,
                  .expected = GUARD_REFUSE,
                  .says = "still open" },
                { .what = "forbid, by hand",
                  .flags = MANUAL,
                  .started = 1,
                  .expected = GUARD_REFUSE,
                  .says = "--force" },
                { .what = "forbid, forced",
                  .flags = MANUAL | FORCE,
                  .started = 1,
                  .expected = GUARD_GO },
                { .what = "forbid, dry",
                  .flags = MANUAL | DRY,
                  .started = 1,
                  .expected = GUARD_GO },
                { .what = "allow",
                  .policy = CONCURRENCY_ALLOW,
                  .started = 3,
                  .expected = GUARD_GO },
                { .what = "replace",
                  .policy = CONCURRENCY_REPLACE,
                  .started = 1,
                  .expected = GUARD_REPLACE },
                { .what = "replace, nothing to replace",
                  .policy = CONCURRENCY_REPLACE,
                  .expected = GUARD_GO },
                { .what = "replace, dry",
                  .flags = MANUAL | DRY,
                  .policy = CONCURRENCY_REPLACE,
                  .started = 1,
                  .expected = GUARD_GO },
                { .what = "replace does not free from the interval",
                  .flags = MANUAL,
                  .policy = CONCURRENCY_REPLACE,
                  .started = 1,
                  .interval_ms = 23 * HOUR,
                  .last_start = "2026-11-21T05:00:00Z",
                  .expected = GUARD_REFUSE,
                  .says = "less than 23h" },
        };
        struct job j = job("0 6 * * *", "UTC");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct row *r = &rows[i];
                j.concurrency_policy = r->policy;
                j.min_interval_ms = r->interval_ms;
                j.starting_deadline_ms = r->deadline_ms;
                j.catch_up = r->flags & NONE ? CATCH_UP_NONE : CATCH_UP_LATEST;
                instant now = at(r->now ? r->now : "2026-11-21T06:00:00Z");
                struct run_candidate candidate = { at(r->slot ? r->slot : "2026-11-21T06:00:00Z"),
                                                   now,
                                                   at(r->not_before),
                                                   r->flags & MANUAL,
                                                   r->flags & DRY,
                                                   r->flags & FORCE };
                struct job_context job = { r->started, at(r->last_start), r->flags & SUSPENDED };
                char reason[200] = "";
                if (decide_guard(&j, &candidate, &job, now, reason, sizeof reason) != r->expected)
                        fail_msg("%s: another answer (%s)", r->what, reason);
                if (r->says ? !strstr(reason, r->says) : *reason)
                        fail_msg("%s: says \"%s\"", r->what, reason);
        }
        char reason[200];
        struct run_candidate candidate = { 0 };
        struct job_context job = { 0, INSTANT_NONE, false };
        assert_int_equal(decide_guard(NULL, &candidate, &job, 0, reason, sizeof reason),
                         GUARD_REFUSE);
        assert_non_null(strstr(reason, "no such job"));
        zone_free(j.zone);
}

static void limits(void **state)
{
        (void)state;
        static const struct {
                int64_t max_subjects;
                double max_percent;
                struct extent extent; /* subjects, population */
                const char *says;     /* NULL: within the limits */
        } rows[] = {
                { LIMIT_NONE, LIMIT_NONE, { 1000000, 1000000 }, NULL },
                { 100, LIMIT_NONE, { 100, -1 }, NULL },
                { 100,
                  LIMIT_NONE,
                  { 101, -1 },
                  "101 subjects are due, more than max_subjects = 100" },
                { 0, LIMIT_NONE, { 0, -1 }, NULL },
                { 0, LIMIT_NONE, { 1, -1 }, "more than max_subjects = 0" },
                { LIMIT_NONE, 5, { 50, 1000 }, NULL },
                { LIMIT_NONE,
                  5,
                  { 51, 1000 },
                  "51 of 1000 subjects (5.1 %) are due, more than max_percent = 5" },
                { LIMIT_NONE, 0.5, { 6, 1000 }, "(0.6 %) are due, more than max_percent = 0.5" },
                { LIMIT_NONE, 0, { 0, 1000 }, NULL },
                { LIMIT_NONE, 5, { 0, 0 }, NULL },
                { LIMIT_NONE, 5, { 1, 0 }, "1 of 0 subjects" },
                { 100, 5, { 90, 1000 }, "max_percent" },
                { 100, 50, { 101, 1000 }, "max_subjects" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct job j = { .max_subjects = rows[i].max_subjects,
                                 .max_percent = rows[i].max_percent };
                char why[200] = "x";
                if (decide_review(&j, &rows[i].extent, why, sizeof why) != (rows[i].says != NULL))
                        fail_msg("%zu: another answer (%s)", i, why);
                if (rows[i].says ? !strstr(why, rows[i].says) : *why)
                        fail_msg("%zu: says \"%s\"", i, why);
        }
}

static void closing(void **state)
{
        (void)state;
        static const struct {
                const char *what;
                /* planned, done, failed, quarantined, unknown, digest_matches */
                struct run_counts counts;
                enum run_state expected;
                const char *says;
        } rows[] = {
                { "nothing was due", { 0, 0, 0, 0, 0, true }, RUN_SUCCEEDED, NULL },
                { "all is well", { 3, 3, 0, 0, 0, true }, RUN_SUCCEEDED, NULL },
                { "not yet", { 3, 2, 1, 1, 0, false }, RUN_PUBLISHED, NULL },
                { "one failed",
                  { 3, 3, 1, 0, 0, true },
                  RUN_COMPLETED_WITH_ERRORS,
                  "1 failed, 0 quarantined and 0 unknown of 3 tasks" },
                { "one quarantined",
                  { 3, 3, 0, 1, 0, true },
                  RUN_COMPLETED_WITH_ERRORS,
                  "1 quarantined" },
                { "one unknown", { 3, 3, 0, 0, 1, true }, RUN_COMPLETED_WITH_ERRORS, "1 unknown" },
                { "other tasks than the planned ones",
                  { 3, 3, 0, 0, 0, false },
                  RUN_FAILED,
                  "3 outcomes for 3 planned tasks, digest different" },
                { "more than planned",
                  { 3, 4, 0, 0, 0, true },
                  RUN_FAILED,
                  "4 outcomes for 3 planned tasks, digest equal" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char why[200] = "x";
                if (decide_closing(&rows[i].counts, why, sizeof why) != rows[i].expected)
                        fail_msg("%s: another state (%s)", rows[i].what, why);
                if (rows[i].says ? !strstr(why, rows[i].says) : *why)
                        fail_msg("%s: says \"%s\"", rows[i].what, why);
        }
}

static void alerts(void **state)
{
        (void)state;
        static const struct {
                const char *what;
                enum alert_on on;
                double percent;
                enum run_state end;
                int64_t errors; /* of 100 */
                bool expected;
        } rows[] = {
                { "errors", ALERT_ERRORS, 0, RUN_COMPLETED_WITH_ERRORS, 1, true },
                { "errors, none", ALERT_ERRORS, 0, RUN_SUCCEEDED, 0, false },
                { "errors, failed itself", ALERT_ERRORS, 0, RUN_FAILED, 0, true },
                { "failed, some errors", ALERT_FAILED, 0, RUN_COMPLETED_WITH_ERRORS, 99, false },
                { "failed", ALERT_FAILED, 0, RUN_FAILED, 0, true },
                { "per cent, fewer", ALERT_PERCENT, 5, RUN_COMPLETED_WITH_ERRORS, 4, false },
                { "per cent, as many", ALERT_PERCENT, 5, RUN_COMPLETED_WITH_ERRORS, 5, true },
                { "per cent, a fraction", ALERT_PERCENT, 0.5, RUN_COMPLETED_WITH_ERRORS, 1, true },
                { "per cent, failed itself", ALERT_PERCENT, 5, RUN_FAILED, 0, true },
                { "never", ALERT_NEVER, 0, RUN_COMPLETED_WITH_ERRORS, 100, false },
                { "never, failed itself", ALERT_NEVER, 0, RUN_FAILED, 0, false },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct job j = { .alert_on = rows[i].on, .alert_percent = rows[i].percent };
                struct run_counts c = { .planned = 100,
                                        .done = 100,
                                        .failed = rows[i].errors,
                                        .digest_matches = true };
                if (decide_alert(&j, rows[i].end, &c) != rows[i].expected)
                        fail_msg("%s", rows[i].what);
                struct run_counts unknown = { .planned = 100,
                                              .done = 100,
                                              .unknown = rows[i].errors,
                                              .digest_matches = true };
                assert_int_equal(decide_alert(&j, rows[i].end, &unknown), rows[i].expected);
        }
        struct run_counts c = { .planned = 1, .done = 1, .failed = 1 };
        assert_true(decide_alert(NULL, RUN_COMPLETED_WITH_ERRORS, &c));
}

static void states_have_names(void **state)
{
        (void)state;
        static const char *const no_names[] = { "",          "finished",
                                                "completed", "completed with errors ",
                                                "held",      "PLANNED" };
        enum run_state s;
        for (int i = 0; i < RUN_STATE_COUNT; i++) {
                assert_true(run_state_parse(run_state_name((enum run_state)i), &s));
                assert_int_equal(s, i);
        }
        assert_true(run_state_parse("completed-with-errors", &s));
        assert_int_equal(s, RUN_COMPLETED_WITH_ERRORS);
        for (size_t i = 0; i < ARRAY_LEN(no_names); i++)
                assert_false(run_state_parse(no_names[i], &s));
        assert_true(run_state_open(RUN_HELD) && run_state_open(RUN_PUBLISHED) &&
                    !run_state_open(RUN_FAILED));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(slots),
                cmocka_unit_test(a_job_without_schedule_has_no_slots),
                cmocka_unit_test(deciding_again_goes_on_where_it_ended),
                cmocka_unit_test(two_schedulers_decide_the_same_runs),
                cmocka_unit_test(jitter_staggers_within_its_span),
                cmocka_unit_test(guards),
                cmocka_unit_test(limits),
                cmocka_unit_test(closing),
                cmocka_unit_test(alerts),
                cmocka_unit_test(states_have_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
