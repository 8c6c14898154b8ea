/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker knows of paused types, and how it counts what statements say by the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notices.h"
#include "pauses.h"

#include <string.h>

static void the_table_is_read(void **state)
{
        (void)state;
        static struct pauses p;
        pauses_read(&p, "3,17!,9");
        assert_int_equal(p.n, 3);
        assert_true(pauses_has(&p, 3) && pauses_has(&p, 17) && pauses_has(&p, 9) &&
                    !pauses_has(&p, 1));
        assert_true(!p.list[0].due && p.list[1].due && !p.list[2].due);
        pauses_read(&p, "");
        assert_int_equal(p.n, 0);
        pauses_read(&p, "rubbish");
        assert_int_equal(p.n, 0);
}

static void what_fails_in_one_way_is_counted(void **state)
{
        (void)state;
        static struct pauses p;
        assert_false(pauses_count(&p, 1, "PT403", PAUSE_TASKS - 1));
        assert_false(pauses_count(&p, 2, "PT403", 1)); /* each type for itself */
        assert_true(pauses_count(&p, 1, "PT403", 1));
        assert_false(
                pauses_count(&p, 1, "42501", PAUSE_TASKS - 1)); /* another error: counted from 1 */
        pauses_forget(&p, 1);
        assert_false(pauses_count(&p, 1, "42501", 1));
        /* more types than there is room for: the oldest is forgotten */
        for (int type = 10; type < 10 + 2 * PAUSES_NEW; type++)
                assert_false(pauses_count(&p, type, "42501", PAUSE_TASKS - 1));
        assert_true(pauses_count(&p, 9 + 2 * PAUSES_NEW, "42501", 1));
        assert_false(pauses_count(&p, 10, "42501", 1));
}

static void samples_are_spread(void **state)
{
        (void)state;
        static struct pauses p;
        struct entry entries[100] = { 0 };
        struct entry *list[100];
        struct err why = ERR_INIT;
        err_set(&why, ERR_INPUT, "42P01", "no table");
        for (size_t i = 0; i < 100; i++) {
                entries[i].value = (struct span){ "x", i };
                list[i] = &entries[i];
        }
        assert_true(pauses_add(&p, NULL, 4, &why, list, 100));
        assert_int_equal(p.fresh[0].n_samples, PAUSE_SAMPLES);
        assert_int_equal(p.fresh[0].samples[PAUSE_SAMPLES - 1].len, 80);
        assert_true(pauses_has(&p, 4));
        assert_true(pauses_add(&p, NULL, 5, &why, list, 2));
        assert_int_equal(p.fresh[1].n_samples, 2);
        for (int i = 2; i < PAUSES_NEW; i++)
                assert_true(pauses_add(&p, NULL, 10 + i, &why, NULL, 0));
        assert_false(pauses_add(&p, NULL, 99, &why, NULL, 0));
        pauses_committed(&p);
        assert_int_equal(p.n_fresh, 0);
        assert_true(pauses_has(&p, 4) && pauses_has(&p, 5) && !pauses_has(&p, 99));
}

static void who_is_passed_over_and_who_waits(void **state)
{
        (void)state;
        struct run run = { .run_no = 1 };
        struct entry of_run = { .state = ENTRY_READY, .run = &run },
                     adhoc = { .state = ENTRY_READY },
                     intent = { .state = ENTRY_PENDING, .run = &run, .tries = 2 };
        entry_pass(&of_run);
        entry_pass(&adhoc);
        entry_pass(&intent);
        assert_int_equal(of_run.state, ENTRY_PASSED);
        assert_true(adhoc.state == ENTRY_DECIDED && adhoc.parked == PARKED_PAUSED &&
                    adhoc.tries == 0);
        assert_true(intent.state == ENTRY_ACTED && intent.parked == PARKED_PAUSED &&
                    intent.tries == 2);
}

static void a_line_a_minute(void **state)
{
        (void)state;
        static struct notices x;
        struct task_type a = { 0 }, b = { 0 };
        size_t n = 0;
        notices_add(&x, &a, 3, "first");
        notices_add(&x, &a, 2, "second");
        notices_add(&x, &b, 1, "caf\xe9");
        const struct notice *k = notices_next(&x, 1000, &n);
        assert_true(k && k->type == &a && n == 5 && strcmp(k->first, "first") == 0);
        k = notices_next(&x, 1000, &n);
        assert_true(k && k->type == &b && n == 1 && strcmp(k->first, "caf?") == 0);
        assert_null(notices_next(&x, 1000, &n));
        notices_add(&x, &a, 7, "third");
        assert_null(notices_next(&x, 1000 + NOTICE_EVERY_MS - 1, &n));
        k = notices_next(&x, 1000 + NOTICE_EVERY_MS, &n);
        assert_true(k && n == 7 && strcmp(k->first, "third") == 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_table_is_read),
                cmocka_unit_test(what_fails_in_one_way_is_counted),
                cmocka_unit_test(samples_are_spread),
                cmocka_unit_test(who_is_passed_over_and_who_waits),
                cmocka_unit_test(a_line_a_minute),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
