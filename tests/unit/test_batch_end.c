/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for the end of a batch that cannot be read. A log of batches stands for the broker,
 * and a client that fetches from it for librdkafka: whatever the order of what comes, each batch
 * that cannot be read is found as a whole, and no message is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kafka/batch_end.h"

#include <stdio.h>
#include <string.h>

enum kind { READABLE, UNREADABLE, MARKER }; /* a marker of transactions: nothing comes of it */

struct batch {
        int64_t first, last;
        enum kind kind;
};

/* Gaps between batches are of compaction. */
struct log {
        const struct batch *list;
        int n;
        int64_t end;
};

struct client {
        const struct log *log;
        struct batch_end b;
        int64_t position, next; /* where is fetched from; what is to be given out next */
        int64_t given[64][2];   /* of unreadable batches */
        int n_given, messages, fetches;
};

static const struct batch *batch_at(const struct log *l, int64_t offset)
{
        for (int i = 0; i < l->n; i++)
                if (l->list[i].last >= offset && l->list[i].kind != MARKER)
                        return &l->list[i];
        return NULL;
}

static void give(struct client *c)
{
        c->given[c->n_given][0] = c->b.from;
        c->given[c->n_given++][1] = c->b.inside;
        c->position = c->next = c->b.inside + 1;
        c->b = (struct batch_end){ 0 };
}

/* As unreadable.c does. */
static void follow(struct client *c, enum batch_end_answer answer)
{
        if (answer == BATCH_END_QUERY)
                answer = batch_end_begin(&c->b, c->next, c->log->end);
        if (answer == BATCH_END_PROBE)
                c->position = c->b.probe;
        if (answer == BATCH_END_RESTART)
                c->position = c->next;
        if (c->b.state == BATCH_END_FOUND)
                give(c);
}

/* false: the end of the log is reached. */
static bool fetch(struct client *c)
{
        const struct batch *at = batch_at(c->log, c->position);
        int64_t position = c->position;
        assert_true(++c->fetches < 5000);
        if (position > c->log->end) { /* an error: the partition is assigned again */
                c->b = (struct batch_end){ 0 };
                c->position = c->next;
        } else if (!at)
                follow(c, batch_end_nothing(&c->b, c->next, c->log->end));
        if (!at)
                return c->position != position;
        if (at->kind == UNREADABLE) {
                char why[40];
                snprintf(why, sizeof why, "message at %d failed", (int)at->first);
                follow(c, batch_end_failed(&c->b, c->next, at->first, why));
                return true;
        }
        int64_t offset = at->first > c->position ? at->first : c->position;
        enum batch_end_answer answer = batch_end_message(&c->b, c->next, offset);
        if (answer == BATCH_END_PASS) {
                c->next = c->position = offset + 1;
                c->messages++;
        }
        follow(c, answer);
        return true;
}

static struct client client(const struct log *l, int64_t next)
{
        return (struct client){ .log = l, .position = next, .next = next };
}

static void expect(const struct client *c, int n, const int64_t given[][2], int messages)
{
        assert_int_equal(c->n_given, n);
        for (int i = 0; i < n; i++) {
                assert_int_equal(c->given[i][0], given[i][0]);
                assert_int_equal(c->given[i][1], given[i][1]);
        }
        assert_int_equal(c->messages, messages);
}

static const struct batch usual[] = {
        { 0, 9, READABLE },       { 10, 10, UNREADABLE },   { 11, 20, READABLE },
        { 21, 3020, UNREADABLE }, { 3021, 3029, READABLE },
};
static const struct log usual_log = { usual, 5, 3030 };
static const int64_t usual_given[][2] = { { 10, 10 }, { 21, 3020 } };

static void each_is_found_as_a_whole(void **state)
{
        (void)state;
        struct client c = client(&usual_log, 0);
        while (fetch(&c))
                ;
        expect(&c, 2, usual_given, 29);
        assert_true(c.fetches < 29 + 2 * BATCH_END_TIMES + 30);
}

static void whatever_lies_around_it(void **state)
{
        (void)state;
        /* two in a row; markers and gaps behind; the last of the log, of one message, of many */
        static const struct batch list[] = {
                { 3, 7, UNREADABLE },       { 8, 8, UNREADABLE },     { 9, 9, MARKER },
                { 15, 15, READABLE },       { 40, 240, UNREADABLE },  { 241, 241, MARKER },
                { 242, 242, MARKER },       { 1000, 1000, READABLE }, { 1001, 1001, UNREADABLE },
                { 1002, 1900, UNREADABLE },
        };
        for (int n = 1; n <= 10; n++) {
                int64_t given[8][2];
                int expected = 0, messages = 0;
                for (int i = 0; i < n; i++) {
                        messages += list[i].kind == READABLE;
                        if (list[i].kind != UNREADABLE)
                                continue;
                        given[expected][0] = list[i].first;
                        /* with a gap or markers behind, it may end in them */
                        given[expected++][1] = list[i].last;
                }
                struct log l = { list, n, list[n - 1].last + 1 };
                struct client c = client(&l, 0);
                while (fetch(&c))
                        ;
                expect(&c, expected, given, messages);
        }
}

static void reading_may_begin_inside(void **state)
{
        (void)state;
        static const int64_t given[][2] = { { 700, 3020 } };
        struct client c = client(&usual_log, 700);
        while (fetch(&c))
                ;
        expect(&c, 1, given, 9);
}

/* The client continues by itself after each number of failures: the batch is given out all the
 * same.
 */
static void a_batch_that_was_passed_over(void **state)
{
        (void)state;
        for (int failures = 1; failures < BATCH_END_TIMES; failures++)
                for (int behind = 0; behind < 3; behind++) {
                        struct client c = client(&usual_log, 11);
                        while (c.b.times < failures)
                                assert_true(fetch(&c));
                        c.position = behind == 0 ? 3021 : behind == 1 ? 3025 : 3030;
                        while (fetch(&c))
                                ;
                        expect(&c, 1, usual_given + 1, 19);
                }
}

static void it_can_be_read_after_all(void **state)
{
        (void)state;
        struct client c = client(&usual_log, 11);
        while (c.b.times < 2)
                assert_true(fetch(&c));
        static const struct batch readable[] = { { 11, 3029, READABLE } };
        struct log l = { readable, 1, 3030 };
        c.log = &l;
        while (fetch(&c))
                ;
        expect(&c, 0, NULL, 3019);
        /* in the middle of the search, too */
        for (int steps = 1; steps < 20; steps++) {
                c = client(&usual_log, 21);
                while (c.b.state != BATCH_END_SEARCHING || c.fetches < BATCH_END_TIMES + steps)
                        assert_true(fetch(&c));
                if (c.b.inside < 2000)
                        continue;
                follow(&c, batch_end_message(&c.b, c.next, 21));
                assert_int_equal(c.position, 21);
                c.log = &l;
                while (fetch(&c))
                        ;
                expect(&c, 0, NULL, 3009);
        }
}

/* The log grows, or is shorter than it was, at each step of the search. */
static void another_log_is_searched_anew(void **state)
{
        (void)state;
        static const struct batch shorter[] = { { 11, 20, READABLE }, { 21, 99, UNREADABLE } };
        static const struct batch other[] = { { 5, 30, UNREADABLE }, { 31, 31, READABLE } };
        struct log l[] = { { shorter, 2, 100 }, { other, 2, 32 } };
        static const int64_t given[][2][2] = { { { 21, 99 } }, { { 21, 30 } } };
        for (int i = 0; i < 2; i++)
                for (int steps = 0; steps < 20; steps++) {
                        struct client c = client(&usual_log, 21);
                        while (c.fetches < BATCH_END_TIMES + steps)
                                assert_true(fetch(&c));
                        c.log = &l[i];
                        while (fetch(&c))
                                ;
                        if (c.b.state == BATCH_END_NONE && c.n_given == 1 &&
                            c.given[0][1] >= c.log->end)
                                continue; /* it was found before */
                        expect(&c, 1, given[i], i);
                }
}

/* A partition that is lost at each step: what has been found is not searched for again. */
static void a_lost_partition_goes_on_where_it_was(void **state)
{
        (void)state;
        struct client c = client(&usual_log, 20);
        struct batch_end kept = { 0 };
        int assignments = 0, left = 0;
        while (c.n_given == 0) {
                assert_true(++assignments < 100);
                c.b = kept;
                c.position = 20; /* the message before is compared */
                c.next = 20;
                left = BATCH_END_TIMES + 2;
                while (c.n_given == 0 && left-- > 0)
                        assert_true(fetch(&c));
                kept = batch_end_resume(&c.b);
        }
        expect(&c, 1, usual_given + 1, assignments);
        assert_true(assignments < 20);
}

static void what_was_kept_is_of_the_same_batch_only(void **state)
{
        (void)state;
        struct client c = client(&usual_log, 21);
        while (c.b.state != BATCH_END_SEARCHING || c.b.inside < 1000)
                assert_true(fetch(&c));
        struct batch_end kept = batch_end_resume(&c.b);
        assert_int_equal(kept.state, BATCH_END_FAILING);
        /* it has been given out by another, and is behind us */
        c = client(&usual_log, 3021);
        c.b = kept;
        while (fetch(&c))
                ;
        expect(&c, 0, NULL, 9);
        /* the topic was re-created: one message is there, and a batch that fails in another way */
        static const struct batch other[] = { { 0, 21, READABLE }, { 22, 30, UNREADABLE } };
        static const int64_t given[][2] = { { 22, 30 } };
        struct log l = { other, 2, 31 };
        c = client(&l, 21);
        c.b = kept;
        while (fetch(&c))
                ;
        expect(&c, 1, given, 1);
        /* a batch at the same place, of another size */
        c.b = kept;
        follow(&c, batch_end_failed(&c.b, 21, 21, "another reason"));
        assert_true(c.b.state == BATCH_END_FAILING && !c.b.resumed && c.b.times == 1);
        /* nothing is kept of what has only begun to fail */
        assert_int_equal(batch_end_resume(&c.b).state, BATCH_END_NONE);
}

static void what_does_not_come_tells_nothing(void **state)
{
        (void)state;
        struct client c = client(&usual_log, 21);
        while (c.b.state != BATCH_END_SEARCHING)
                assert_true(fetch(&c));
        struct batch_end before = c.b;
        /* the log's end as it was before the probe */
        assert_int_equal(batch_end_nothing(&c.b, c.next, before.probe - 1), BATCH_END_DROP);
        assert_memory_equal(&before, &c.b, sizeof before);
        /* the log's end at the probe, or beyond it */
        assert_int_equal(batch_end_nothing(&c.b, c.next, before.probe), BATCH_END_DROP);
        assert_int_equal(c.b.state, BATCH_END_FOUND);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_is_found_as_a_whole),
                cmocka_unit_test(whatever_lies_around_it),
                cmocka_unit_test(reading_may_begin_inside),
                cmocka_unit_test(a_batch_that_was_passed_over),
                cmocka_unit_test(it_can_be_read_after_all),
                cmocka_unit_test(another_log_is_searched_anew),
                cmocka_unit_test(a_lost_partition_goes_on_where_it_was),
                cmocka_unit_test(what_was_kept_is_of_the_same_batch_only),
                cmocka_unit_test(what_does_not_come_tells_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
