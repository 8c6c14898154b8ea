/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a topic waits: never less than it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "publish/backlog.h"

static void nothing_waits_at_first(void **state)
{
        (void)state;
        struct backlog f = { 0 };
        assert_int_equal(backlog_bytes(&f), 0);
        backlog_consumed(&f, 2, 100); /* read further than was ever seen sent */
        assert_int_equal(backlog_bytes(&f), 0);
        backlog_deinit(&f);
}

static void what_is_not_acknowledged_counts_against_the_fullest_partition(void **state)
{
        (void)state;
        struct backlog f = { 0 };
        for (int i = 0; i < 10; i++)
                backlog_sent(&f, 100);
        assert_int_equal(backlog_bytes(&f), 1000);
        for (int i = 0; i < 4; i++)
                backlog_acked(&f, 0, i);
        for (int i = 0; i < 3; i++)
                backlog_acked(&f, 1, i);
        /* partition 0, and three whose partition nobody knows */
        assert_int_equal(backlog_bytes(&f), 400 + 300);
        backlog_consumed(&f, 0, 4);
        assert_int_equal(backlog_bytes(&f), 300 + 300);
        backlog_consumed(&f, 1, 3);
        for (int i = 0; i < 3; i++)
                backlog_failed(&f);
        assert_int_equal(backlog_bytes(&f), 0);
        backlog_deinit(&f);
}

static void a_partition_that_nobody_has_read_counts_from_its_beginning(void **state)
{
        (void)state;
        struct backlog f = { 0 };
        backlog_sent(&f, 50);
        backlog_acked(&f, 3, 999); /* others have written before us */
        assert_int_equal(backlog_bytes(&f), 50 * 1000);
        backlog_consumed(&f, 3, 990);
        assert_int_equal(backlog_bytes(&f), 50 * 10);
        backlog_consumed(&f, 3, 5); /* never backwards */
        assert_int_equal(backlog_bytes(&f), 50 * 10);
        backlog_deinit(&f);
}

static void a_change_of_size_leaves_nothing_behind(void **state)
{
        (void)state;
        struct backlog f = { 0 };
        for (int i = 0; i < 100; i++)
                backlog_sent(&f, 1000);
        for (int i = 0; i < 900; i++)
                backlog_sent(&f, 10);
        for (int i = 0; i < 1000; i++)
                backlog_acked(&f, 0, i);
        backlog_consumed(&f, 0, 1000);
        assert_int_equal(backlog_bytes(&f), 0);
        backlog_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_waits_at_first),
                cmocka_unit_test(what_is_not_acknowledged_counts_against_the_fullest_partition),
                cmocka_unit_test(a_partition_that_nobody_has_read_counts_from_its_beginning),
                cmocka_unit_test(a_change_of_size_leaves_nothing_behind),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
