/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregator/fold.h"
#include "aggregator/fold_check.h"
#include "aggregator/issued.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY (86400 * INSTANT_SECOND)
static const instant BASE = INT64_C(1795996800) * INSTANT_SECOND; /* 2026-11-30T00:00:00Z */

static const struct fold_limits roomy = { .memory_max = 64 << 20,
                                          .reasons_max = 50,
                                          .errors_max = 10,
                                          .sequences_max = 1000,
                                          .seed = 42 };

static struct fold *make(const struct fold_limits *l)
{
        struct fold *f = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(fold_new(l, &f, &e), 0);
        return f;
}

static struct outcome_event event(int64_t sequence)
{
        return (struct outcome_event){
                .event_id = { { (uint8_t)(sequence >> 8), (uint8_t)sequence, 9 } },
                .run_id = { { 1 } },
                .pack = SPAN_LIT("p"),
                .job = SPAN_LIT("j"),
                .type = SPAN_LIT("p.t"),
                .subject = SPAN_LIT("u1"),
                .item = SPAN_LIT(""),
                .outcome = OUTCOME_APPLIED,
                .reason = SPAN_LIT("done"),
                .at = BASE,
                .source_topic = SPAN_LIT("rollcall.tasks"),
                .sequence = sequence,
                .attempt = 1,
        };
}

static enum fold_result give(struct fold *f, int32_t results_no, const struct outcome_event *m)
{
        struct err e = ERR_INIT;
        return fold_event(f, results_no, m, &e);
}

static struct fold_changes changes(const struct fold *f)
{
        struct fold_changes c;
        fold_changes(f, &c);
        return c;
}

static void test_counts(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        struct outcome_event m = event(1);
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        m.sequence = 5; /* numbers are skipped: the others went to other partitions */
        m.outcome = OUTCOME_SKIPPED;
        m.at = BASE - 1;
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        m.sequence = 6;
        m.dry_run = true;
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        struct fold_changes c = changes(f);
        assert_int_equal(c.counted, 3);
        assert_int_equal(c.n_runs, 2);
        const struct fold_run *tried = c.runs, *done = c.runs->next;
        assert_true(tried->dry_run && !done->dry_run && uuid_eq(tried->run_id, done->run_id));
        assert_int_equal(tried->counts[OUTCOME_SKIPPED], 1);
        assert_int_equal(done->counts[OUTCOME_APPLIED], 1);
        assert_int_equal(done->counts[OUTCOME_SKIPPED], 1);
        assert_true(done->first_at == BASE - 1 && done->last_at == BASE);
        assert_int_equal(c.n_days, 3);
        assert_int_equal(c.n_sequences, 1);
        assert_int_equal(fold_sequence_at(f, 0).sequence, 6);
        bool before = false;
        for (const struct fold_day *d = c.days; d; d = d->next)
                before |= d->day == BASE / DAY - 1;
        assert_true(before);
}

static void test_replaced(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        struct outcome_event m = event(1);
        m.outcome = OUTCOME_QUARANTINED;
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        fold_commit(f);
        m = event(2);
        m.replaces = SPAN_LIT("quarantined");
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        assert_int_equal(give(f, 1, &m), FOLD_DUPLICATE);
        struct fold_changes c = changes(f);
        assert_int_equal(c.runs->counts[OUTCOME_APPLIED], 1);
        assert_int_equal(c.runs->counts[OUTCOME_QUARANTINED], -1);
        assert_int_equal(c.runs->events, 1);
}

static void test_repetitions(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        for (int64_t i = 1; i <= 10; i++) {
                struct outcome_event m = event(i);
                assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        }
        struct outcome_event m = event(10);
        assert_int_equal(give(f, 1, &m), FOLD_DUPLICATE);
        m.source_partition = 1; /* another source */
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        m.source_topic = SPAN_LIT("rollcall.tasks.mail");
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        m = event(3);
        /* another results partition: the subject's events are there, and only there */
        assert_int_equal(give(f, 2, &m), FOLD_COUNTED);
        fold_commit(f);
        m = event(10);
        assert_int_equal(give(f, 1, &m), FOLD_DUPLICATE);
        m = event(11);
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        fold_discard(f); /* not stored: it comes again */
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        fold_commit(f);
        fold_forget(f, 1);
        struct err e = ERR_INIT;
        assert_int_equal(
                fold_load(f, &(struct fold_sequence){ 1, 0, SPAN_LIT("rollcall.tasks"), 7 }, &e),
                0);
        m = event(7);
        assert_int_equal(give(f, 1, &m), FOLD_DUPLICATE);
        m = event(8);
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        m = event(3);
        assert_int_equal(give(f, 2, &m), FOLD_DUPLICATE); /* others are not forgotten */
}

static void test_refused(void **state)
{
        (void)state;
        static char long_text[70000];
        memset(long_text, 'x', sizeof long_text);
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        struct outcome_event bad[12];
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                bad[i] = event(1);
        bad[0].sequence = 0;
        bad[1].sequence = INT64_MIN;
        bad[2].source_partition = -1;
        bad[3].at = INT64_MAX;
        bad[4].at = INT64_MIN;
        bad[5].type = (struct span){ long_text, 201 };
        bad[6].pack = (struct span){ "a\0b", 3 };
        bad[7].reason = (struct span){ "\0", 1 };
        bad[8].source_topic = (struct span){ long_text, 250 };
        bad[9].subject = (struct span){ "u\0", 2 };
        bad[10].source_topic = SPAN_LIT("");
        bad[11].outcome = OUTCOME_COUNT;
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                struct err e = ERR_INIT;
                assert_int_equal(fold_event(f, 1, &bad[i], &e), FOLD_REFUSED);
                assert_int_equal(e.class, ERR_INPUT);
        }
        struct fold_changes c = changes(f);
        assert_int_equal(c.counted + c.duplicates + (int64_t)c.n_runs + (int64_t)c.n_sequences, 0);
        struct outcome_event m = event(1); /* and then the first good one counts */
        m.reason = (struct span){ long_text, sizeof long_text };
        m.subject = m.reason;
        m.item = m.reason;
        m.outcome = OUTCOME_FAILED;
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        c = changes(f);
        assert_int_equal(c.days->reason.len, FOLD_NAME_MAX);
        assert_int_equal(c.types->errors[0].reason.len, FOLD_DETAIL_MAX);
}

static void test_cut_at_character(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        char text[300] = "";
        for (size_t i = 0; i < 99; i++)
                strcat(text, "ã");
        strcat(text, "x日本"); /* the 200th byte is the first of a character of three */
        struct outcome_event m = event(1);
        m.reason = span_of(text);
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        struct fold_changes c = changes(f);
        assert_int_equal(c.days->reason.len, 199);
}

static void test_adhoc(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        struct outcome_event m = event(1);
        m.run_id = (struct uuid){ { 0 } };
        m.job = (struct span){ 0 };
        assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        struct fold_changes c = changes(f);
        assert_non_null(c.runs->pack.ptr);
        assert_int_equal(c.runs->pack.len + c.runs->job.len, 0);
        assert_false(c.runs->dry_run);
}

static void test_reasons_are_bounded(void **state)
{
        (void)state;
        struct fold_limits l = roomy;
        l.reasons_max = 5;
        struct fold *f CLEANUP(fold_cleanup) = make(&l);
        for (int64_t i = 1; i <= 1000; i++) {
                char reason[32];
                snprintf(reason, sizeof reason, "reason %" PRId64, i % 100);
                struct outcome_event m = event(i);
                m.reason = span_of(i % 10 ? reason : "");
                m.at = BASE + (i % 2) * DAY;
                assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        }
        struct fold_changes c = changes(f);
        int64_t total = 0, others = 0, named = 0;
        for (const struct fold_day *d = c.days; d; d = d->next) {
                total += d->count;
                others += span_is(d->reason, FOLD_OTHER);
                named += d->reason.len && !span_is(d->reason, FOLD_OTHER);
        }
        assert_int_equal(total, 1000);
        assert_int_equal(named, 10); /* five a day */
        assert_int_equal(others, 2);
}

static void test_newest_errors(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        /* in a shuffled order of time: 7 has no divisor in common with 5000 */
        for (int64_t i = 1; i <= 5000; i++) {
                struct outcome_event m = event(i);
                m.type = i % 2 ? SPAN_LIT("p.a") : SPAN_LIT("p.b");
                m.outcome = i % 4 < 2 ? OUTCOME_FAILED : OUTCOME_QUARANTINED;
                m.at = BASE + i * 7 % 5000;
                assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        }
        struct fold_changes c = changes(f);
        assert_int_equal(c.n_types, 2);
        assert_int_equal(c.n_errors, 20);
        for (const struct fold_type *t = c.types; t; t = t->next) {
                assert_int_equal(t->n, 10);
                for (size_t i = 0; i < t->n; i++) /* a type has every second instant */
                        assert_true(t->errors[i].at >= BASE + 5000 - 20);
        }
        struct fold_limits none = roomy;
        none.errors_max = 0;
        struct fold *g CLEANUP(fold_cleanup) = make(&none);
        struct outcome_event m = event(1);
        m.outcome = OUTCOME_FAILED;
        assert_int_equal(give(g, 1, &m), FOLD_COUNTED);
        assert_int_equal(changes(g).n_errors, 0);
}

static void test_memory_has_an_end(void **state)
{
        (void)state;
        struct fold_limits l = roomy;
        l.memory_max = 1 << 20;
        struct fold *f CLEANUP(fold_cleanup) = make(&l);
        int64_t counted = 0, batches = 0, in_batch = 0, smallest = INT64_MAX;
        /* every event a run of its own, and an error with long texts */
        for (int64_t i = 1; i <= 50000;) {
                char text[300];
                memset(text, 'y', sizeof text);
                struct outcome_event m = event(i);
                memcpy(m.run_id.b, &i, sizeof i);
                m.outcome = i % 3 ? OUTCOME_APPLIED : OUTCOME_FAILED;
                m.at = BASE + i;
                m.subject = (struct span){ text, sizeof text };
                enum fold_result got = give(f, 1, &m);
                if (got == FOLD_COUNTED) {
                        i++;
                        in_batch++;
                        continue;
                }
                assert_int_equal(got, FOLD_FULL);
                assert_true(in_batch > 0);
                assert_int_equal(give(f, 1, &(struct outcome_event){ 0 }), FOLD_FULL);
                struct fold_changes c = changes(f);
                assert_int_equal(c.n_runs, in_batch);
                size_t runs = 0, days = 0;
                for (const struct fold_run *r = c.runs; r; r = r->next, runs++)
                        for (size_t k = 0; k < OUTCOME_COUNT; k++)
                                counted += r->counts[k];
                for (const struct fold_day *d = c.days; d; d = d->next, days++)
                        assert_true(d->count > 0);
                assert_true(runs == c.n_runs && days == c.n_days);
                smallest = in_batch < smallest ? in_batch : smallest;
                in_batch = 0;
                batches++;
                fold_commit(f);
        }
        assert_true(batches > 3);
        /* no batch is smaller because of what earlier ones left behind */
        assert_true(smallest > 500);
        assert_int_equal(counted + changes(f).counted, 50000);
}

/* A results partition that was revoked makes room for another; what the batch has moved stays. */
static void test_forgotten_sequences_make_room(void **state)
{
        (void)state;
        struct fold_limits l = roomy;
        struct fold *f;
        struct err e = ERR_INIT;
        l.sequences_max = 100;
        assert_int_equal(fold_new(&l, &f, &e), 0);
        for (int results = 1; results <= 50; results++) {
                fold_forget(f, results);
                for (int partition = 0; partition < 60; partition++) {
                        struct fold_sequence x = { results, partition, SPAN_LIT("t"), 10 };
                        if (fold_load(f, &x, &e) < 0)
                                fail_msg("%d/%d: %s", results, partition, e.text);
                }
                struct outcome_event m = { .source_topic = SPAN_LIT("t"),
                                           .source_partition = 7,
                                           .sequence = 10,
                                           .type = SPAN_LIT("p.a"),
                                           .at = 1 };
                assert_int_equal(fold_event(f, results, &m, &e), FOLD_DUPLICATE);
                m.sequence = 11;
                assert_int_equal(fold_event(f, results, &m, &e), FOLD_COUNTED);
                if (results % 2) { /* room is made in the middle of a batch */
                        for (int partition = 60; partition < 90; partition++) {
                                m.source_partition = partition;
                                fold_forget(f, results - 1);
                                assert_int_equal(fold_event(f, results, &m, &e), FOLD_COUNTED);
                        }
                        m.source_partition = 7;
                        assert_int_equal(fold_event(f, results, &m, &e), FOLD_DUPLICATE);
                }
                fold_commit(f);
                assert_int_equal(fold_event(f, results, &m, &e), FOLD_DUPLICATE);
                fold_forget(f, results);
        }
        fold_free(f);
}

static void test_sequences_that_the_ledger_has_issued(void **state)
{
        (void)state;
        struct issued x = { 0 };
        const instant now = 1000 * INSTANT_SECOND;
        static const struct {
                const char *topic;
                int32_t partition;
                int64_t sequence;
                instant at;
                const char *said; /* NULL: it can be */
        } rows[] = {
                { "t", 0, 5, 0, NULL },
                { "t", 0, 6, 0, "t/0 is 5" },
                { "t", 0, INT64_C(1) << 62, 0, "t/0 is 5" },
                { "t", 2, 1, 0, "has no partition" },
                { "t", 3, 9, 0, NULL },
                { "t", 3, 10, 0, "t/3 is 9" },
                { "t", 4, 1, 0, "has no partition" },
                { "t", -1, 1, 0, "has no partition" },
                { "t", INT32_MAX, 1, 0, "has no partition" },
                { "t.mail", 0, 1, 0, NULL },
                { "tt", 0, 1, 0, "has no partition" },
                { "", 0, 1, 0, "has no partition" },
                { "t", 1, 1, 0, "t/1 is 0" },
                { "t", 0, 5, 1299 * INSTANT_SECOND, NULL },
                { "t", 0, 5, 1301 * INSTANT_SECOND, "later than the clock of the database" },
        };
        struct err e = ERR_INIT;
        struct outcome_event any = { .source_topic = SPAN_LIT("t"), .sequence = 1 };
        assert_int_equal(issued_check(&x, &any, now, &e), -1); /* nothing is known yet */
        assert_int_equal(issued_set(&x, "t", 3, 9) + issued_set(&x, "t", 0, 3) +
                                 issued_set(&x, "t", 1, 0) + issued_set(&x, "t.mail", 0, 1),
                         0);
        assert_int_equal(issued_set(&x, "t", 0, 5) + issued_set(&x, "t", INT32_MAX, 5) +
                                 issued_set(&x, "t", -1, 5),
                         0);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct outcome_event m = { .source_topic = span_of(rows[i].topic),
                                           .source_partition = rows[i].partition,
                                           .sequence = rows[i].sequence,
                                           .at = rows[i].at };
                int rc = issued_check(&x, &m, now, &e);
                if ((rc == 0) != !rows[i].said ||
                    (rc < 0 && (e.class != ERR_INPUT || !strstr(e.text, rows[i].said))))
                        fail_msg("row %zu: %s", i, rc ? e.text : "it can be");
        }
        issued_deinit(&x);
}

static void test_sources_are_bounded(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        for (int32_t i = 0; i < 1000; i++) {
                struct outcome_event m = event(1);
                m.source_partition = i;
                assert_int_equal(give(f, i % 3, &m), FOLD_COUNTED);
        }
        struct outcome_event m = event(1);
        m.source_partition = 1000;
        assert_int_equal(give(f, 1, &m), FOLD_REFUSED);
        m.source_partition = 999;
        assert_int_equal(give(f, 0, &m), FOLD_DUPLICATE);
}

/* ---- property: repeated windows, batches that are dropped and come again: the totals are those of
 * every event once ---- */

enum {
        PARTITIONS = 3,
        SOURCES = 4,
        RUNS = 7,
        TYPES = 3,
        REASONS = 4,
        DAYS = 3,
        EVENTS = 6000,
        STREAM_MAX = EVENTS * 6
};

struct stream {
        int events[STREAM_MAX]; /* indexes, in the order of offsets */
        int n, at, stored;
};

struct totals {
        int64_t runs[RUNS][OUTCOME_COUNT], days[DAYS][TYPES][OUTCOME_COUNT][REASONS];
};

static uint64_t random_state;

static int pick(int below)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (int)((random_state >> 11) % (uint64_t)below);
}

static const char *const types[TYPES] = { "p.a", "p.b", "q.a" }, *const reasons[REASONS] = {
        "", "one", "two", "three"
};
static struct outcome_event events[EVENTS];
static int partition_of_event[EVENTS];

static void count(struct totals *t, const struct outcome_event *m)
{
        int type = 0, reason = 0;
        while (!span_is(m->type, types[type]))
                type++;
        while (!span_is(m->reason, reasons[reason]))
                reason++;
        t->runs[m->run_id.b[0]][m->outcome]++;
        t->days[(m->at - BASE) / DAY][type][m->outcome][reason]++;
}

/* Every source numbers its events; some of them are published again from some point on, as after a
 * crash. */
static void make_streams(struct stream *streams, struct totals *expected)
{
        int64_t sequences[SOURCES] = { 0 };
        memset(expected, 0, sizeof *expected);
        memset(streams, 0, PARTITIONS * sizeof *streams);
        for (int i = 0; i < EVENTS; i++) {
                int source = pick(SOURCES);
                struct outcome_event m = event(++sequences[source]);
                m.run_id.b[0] = (uint8_t)pick(RUNS);
                m.type = span_of(types[pick(TYPES)]);
                m.reason = span_of(reasons[pick(REASONS)]);
                m.outcome = (enum outcome)pick(OUTCOME_COUNT);
                m.at = BASE + pick(DAYS) * DAY + pick(1000000);
                m.source_partition = source;
                events[i] = m;
                partition_of_event[i] = pick(PARTITIONS);
                count(expected, &m);
                struct stream *s = &streams[partition_of_event[i]];
                s->events[s->n++] = i;
                if (pick(100) >= 2)
                        continue;
                for (int k = i - pick(i < 200 ? i + 1 : 200); k <= i; k++) {
                        struct stream *again = &streams[partition_of_event[k]];
                        if (events[k].source_partition == source && again->n < STREAM_MAX - EVENTS)
                                again->events[again->n++] = k;
                }
        }
}

static void store(const struct fold *f, struct totals *t)
{
        struct fold_changes c = changes(f);
        for (const struct fold_run *r = c.runs; r; r = r->next)
                for (int k = 0; k < OUTCOME_COUNT; k++)
                        t->runs[r->run_id.b[0]][k] += r->counts[k];
        for (const struct fold_day *d = c.days; d; d = d->next) {
                int type = 0, reason = 0;
                while (!span_is(d->type, types[type]))
                        type++;
                while (!span_is(d->reason, reasons[reason]))
                        reason++;
                t->days[d->day - BASE / DAY][type][d->outcome][reason] += d->count;
        }
}

static void test_republished_windows(void **state)
{
        (void)state;
        struct stream *streams = calloc(PARTITIONS, sizeof *streams);
        struct totals *expected = malloc(sizeof *expected), *got = malloc(sizeof *got);
        for (uint64_t seed = 1; seed <= 20; seed++) {
                random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
                make_streams(streams, expected);
                memset(got, 0, sizeof *got);
                struct fold_limits l = roomy;
                l.seed = seed;
                struct fold *f CLEANUP(fold_cleanup) = make(&l);
                for (int left = PARTITIONS; left;) {
                        struct stream *s = &streams[pick(PARTITIONS)];
                        for (int k = 1 + pick(50); k > 0 && s->at < s->n; k--) {
                                enum fold_result r = give(f, (int32_t)(s - streams),
                                                          &events[s->events[s->at++]]);
                                assert_true(r == FOLD_COUNTED || r == FOLD_DUPLICATE);
                        }
                        int what = pick(10);
                        left = 0;
                        for (int p = 0; p < PARTITIONS; p++)
                                left += streams[p].at < streams[p].n;
                        /* the transaction failed: back to what is stored */
                        if (what == 0 && left) {
                                fold_discard(f);
                                for (int p = 0; p < PARTITIONS; p++)
                                        streams[p].at = streams[p].stored;
                                left = PARTITIONS;
                        } else if (what < 4 || !left) {
                                store(f, got);
                                fold_commit(f);
                                for (int p = 0; p < PARTITIONS; p++)
                                        streams[p].stored = streams[p].at;
                        }
                }
                assert_memory_equal(got, expected, sizeof *got);
        }
        free(streams);
        free(expected);
        free(got);
}

static void test_many_runs(void **state)
{
        (void)state;
        struct fold *f CLEANUP(fold_cleanup) = make(&roomy);
        for (int64_t i = 1; i <= 100000; i++) {
                struct outcome_event m = event(i);
                int64_t run = i % 50000;
                memcpy(m.run_id.b, &run, sizeof run);
                assert_int_equal(give(f, 1, &m), FOLD_COUNTED);
        }
        struct fold_changes c = changes(f);
        assert_int_equal(c.n_runs, 50000);
        for (const struct fold_run *r = c.runs; r; r = r->next)
                assert_int_equal(r->counts[OUTCOME_APPLIED], 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_replaced),
                cmocka_unit_test(test_repetitions),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_cut_at_character),
                cmocka_unit_test(test_adhoc),
                cmocka_unit_test(test_reasons_are_bounded),
                cmocka_unit_test(test_newest_errors),
                cmocka_unit_test(test_memory_has_an_end),
                cmocka_unit_test(test_sources_are_bounded),
                cmocka_unit_test(test_forgotten_sequences_make_room),
                cmocka_unit_test(test_sequences_that_the_ledger_has_issued),
                cmocka_unit_test(test_republished_windows),
                cmocka_unit_test(test_many_runs),
        };
        return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
