/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets give back every row, in its order, and hold no more than they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "buckets.h"

enum { N = 7 };

static struct buckets *make(int n, size_t chunk, size_t rows, size_t bytes)
{
        const struct bucket_limits limits = { chunk, rows, bytes };
        struct buckets *b = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(buckets_new(n, &limits, &b, &e), 0);
        return b;
}

static int add(struct buckets *b, int i, const char *subject, const char *item)
{
        struct err e = ERR_INIT;
        int full = -2;
        assert_int_equal(buckets_add(b, i, span_of(subject), span_of(item), &full, &e), 0);
        return full;
}

static void a_bucket_is_full_with_a_chunk(void **state)
{
        (void)state;
        struct buckets *b CLEANUP(buckets_cleanup) = make(3, 2, 100, 10000);
        assert_int_equal(add(b, 1, "a", ""), -1);
        assert_int_equal(add(b, 2, "b", ""), -1);
        assert_int_equal(add(b, 1, "c", ""), 1);
        assert_int_equal(buckets_rows(b, 1), 2);
        buckets_empty(b, 1);
        assert_int_equal(buckets_rows(b, 1), 0);
        assert_int_equal(add(b, 1, "d", ""), -1);
        assert_int_equal(add(b, 2, "e", ""), 2);
}

static void rows_come_back_in_their_order(void **state)
{
        (void)state;
        struct buckets *b CLEANUP(buckets_cleanup) = make(2, 10, 100, 10000);
        struct bucket_walk w = { 0 };
        struct span subject, item;
        add(b, 1, "z", "");
        add(b, 0, "other", "");
        assert_false(buckets_have_items(b, 1));
        add(b, 1, "a", "first item");
        add(b, 1, "longer subject", "");
        assert_true(buckets_have_items(b, 1));
        assert_false(buckets_have_items(b, 0));
        assert_true(buckets_walk(b, 1, &w, &subject, &item));
        assert_true(span_is(subject, "z") && span_is(item, ""));
        assert_true(buckets_walk(b, 1, &w, &subject, &item));
        assert_true(span_is(subject, "a") && span_is(item, "first item"));
        assert_true(buckets_walk(b, 1, &w, &subject, &item));
        assert_true(span_is(subject, "longer subject") && span_is(item, ""));
        assert_false(buckets_walk(b, 1, &w, &subject, &item));
        buckets_empty(b, 1);
        assert_false(buckets_have_items(b, 1));
        w = (struct bucket_walk){ 0 };
        assert_false(buckets_walk(b, 1, &w, &subject, &item));
}

static void the_fullest_is_full_early(void **state)
{
        (void)state;
        struct buckets *by_rows CLEANUP(buckets_cleanup) = make(3, 10, 4, 10000);
        add(by_rows, 0, "a", "");
        add(by_rows, 2, "b", "");
        add(by_rows, 2, "c", "");
        assert_int_equal(add(by_rows, 1, "d", ""), 2);
        buckets_empty(by_rows, 2);
        assert_int_equal(add(by_rows, 1, "e", ""), -1);
        assert_int_equal(add(by_rows, 0, "a longer one", ""), 0);

        struct buckets *by_bytes CLEANUP(buckets_cleanup) = make(3, 10, 1000, 40);
        assert_int_equal(add(by_bytes, 1, "a subject of 20 byte", ""), -1);
        assert_int_equal(add(by_bytes, 2, "and another", ""), -1);
        assert_int_equal(add(by_bytes, 0, "a", ""), 1);
}

static void what_is_left_is_found_in_order(void **state)
{
        (void)state;
        struct buckets *b CLEANUP(buckets_cleanup) = make(5, 10, 100, 10000);
        assert_int_equal(buckets_next(b, 0), -1);
        add(b, 4, "a", "");
        add(b, 1, "b", "");
        assert_int_equal(buckets_next(b, 0), 1);
        assert_int_equal(buckets_next(b, 2), 4);
        assert_int_equal(buckets_next(b, 5), -1);
}

/* Of many rows none is lost, doubled or out of its order, and the limits hold throughout. */
static void nothing_is_lost(void **state)
{
        (void)state;
        enum { ROWS = 100000, CHUNK = 500, ALL = 2000 };
        struct buckets *b CLEANUP(buckets_cleanup) = make(N, CHUNK, ALL, 1 << 20);
        int last[N], seen = 0, held = 0;
        memset(last, -1, sizeof last);
        uint32_t noise = 2463534242;
        for (int i = 0, full = -1; i < ROWS || (full = buckets_next(b, 0)) >= 0; i++) {
                char text[16];
                if (i < ROWS) {
                        noise ^= noise << 13;
                        noise ^= noise >> 17;
                        noise ^= noise << 5;
                        snprintf(text, sizeof text, "%d", i);
                        full = add(b, noise % 3 ? 0 : (int)(noise / 3 % N), text, "");
                        held++;
                }
                if (full < 0)
                        continue;
                struct bucket_walk w = { 0 };
                struct span subject, item;
                assert_true(held <= ALL && buckets_rows(b, full) <= CHUNK);
                while (buckets_walk(b, full, &w, &subject, &item)) {
                        int number = 0;
                        for (size_t k = 0; k < subject.len; k++)
                                number = 10 * number + subject.ptr[k] - '0';
                        assert_true(number > last[full]);
                        last[full] = number;
                        seen++;
                        held--;
                }
                buckets_empty(b, full);
        }
        assert_int_equal(seen, ROWS);
        assert_int_equal(held, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_bucket_is_full_with_a_chunk),
                cmocka_unit_test(rows_come_back_in_their_order),
                cmocka_unit_test(the_fullest_is_full_early),
                cmocka_unit_test(what_is_left_is_found_in_order),
                cmocka_unit_test(nothing_is_lost),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
