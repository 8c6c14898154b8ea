/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's pure core: admission, division into groups, counts and digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "admit.h"
#include "batch.h"
#include "follow_up.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pack pack = { .name = "p", .subject_type = VALUE_INTEGER };
static struct task_type types[3] = {
        { .pack = &pack, .name = "a", .full_name = "p.a", .subject_type = VALUE_INTEGER },
        { .pack = &pack, .name = "b", .full_name = "p.b", .subject_type = VALUE_INTEGER },
        { .pack = &pack, .name = "t", .full_name = "p.t", .subject_type = VALUE_TEXT },
};
static struct job_task dry_step = { &types[0], true };
static const struct task_type *taken[] = { &types[0], &types[2] };
static struct job job = {
        .pack = &pack, .name = "j", .tasks = &dry_step, .n_tasks = 1, .takes = taken, .n_takes = 2
};

static struct entry entry(const struct task_type *type, const char *subject, struct run *run)
{
        return (struct entry){ .state = ENTRY_READY,
                               .type = type,
                               .run = run,
                               .task.subject = span_of(subject),
                               .subject_int = atoll(subject) };
}

static void no_subject_twice_in_a_group_and_order_per_subject(void **state)
{
        (void)state;
        struct arena *a = arena_new(1 << 20);
        struct run run = { .run_no = 1 };
        struct entry list[] = {
                entry(&types[0], "7", &run), entry(&types[1], "7", &run),
                entry(&types[0], "3", &run), entry(&types[0], "7", &run),
                entry(&types[1], "3", &run), entry(&types[0], "10", NULL),
                entry(&types[0], "9", &run),
        };
        struct batch b = { .arena = a, .entries = list, .n = ARRAY_LEN(list) };
        assert_int_equal(batch_group(&b, ENTRY_READY, NULL), 0);
        size_t position[ARRAY_LEN(list)], total = 0;
        for (size_t u = 0; u < b.n_groups; u++)
                for (size_t i = 0; i < b.groups[u].n; i++, total++) {
                        struct entry *en = b.groups[u].list[i];
                        position[en - list] = u;
                        assert_ptr_equal(en->type, b.groups[u].type);
                        assert_ptr_equal(en->run, b.groups[u].run);
                        for (size_t k = 0; k < i; k++) /* sorted as numbers, none twice */
                                assert_true(b.groups[u].list[k]->subject_int < en->subject_int);
                }
        assert_int_equal(total, ARRAY_LEN(list));
        assert_true(position[0] < position[1] && position[1] < position[3]); /* 7 */
        assert_true(position[2] < position[4]);                              /* 3 */
        arena_free(a);
}

static uint32_t draw;
static uint32_t drawn(void)
{
        return draw;
}

static void waits_double_up_to_the_maximum_with_full_jitter(void **state)
{
        (void)state;
        struct retry_policy p = { 5, 1000, 10000, false, drawn };
        static const int64_t longest[] = { 1000, 2000, 4000, 8000, 10000, 10000 };
        for (int i = 0; i < (int)ARRAY_LEN(longest); i++) {
                draw = UINT32_MAX;
                assert_int_equal(retry_delay_ms(&p, i + 1), longest[i]);
                draw = 0;
                assert_int_equal(retry_delay_ms(&p, i + 1), 0);
                draw = UINT32_MAX / 2;
                assert_in_range(retry_delay_ms(&p, i + 1), longest[i] / 2 - 1, longest[i] / 2 + 1);
        }
        draw = UINT32_MAX;
        assert_int_equal(retry_delay_ms(&p, 1000000), 10000);
}

static void a_batch_lasts_no_longer_than_about_a_second(void **state)
{
        (void)state;
        static const struct {
                size_t now, n;
                int64_t ms;
                size_t next;
        } rows[] = {
                { 100, 100, 20, 200 },     /* all that could be taken, and quickly */
                { 1600, 1600, 200, 2000 }, /* not beyond the maximum */
                { 100, 7, 20, 100 },       /* fewer were waiting: the pace is not known */
                { 1000, 1000, 800, 1000 }, { 2000, 2000, 4000, 500 },
                { 100, 1, 30000, 1 },      { 1, 1, 400, 2 },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                assert_int_equal(batch_paced(rows[i].now, rows[i].n, rows[i].ms, 2000),
                                 rows[i].next);
}

static void a_batch_follows_the_size_of_its_results(void **state)
{
        (void)state;
        assert_int_equal(batch_fewer(5000), 2500);
        assert_int_equal(batch_fewer(3), 1);
        assert_int_equal(batch_fewer(1), 1);
        assert_int_equal(batch_more(39, 1000, 5000), 78);
        assert_int_equal(batch_more(3000, 1000, 5000), 5000);
        assert_int_equal(batch_more(5000, 1000, 5000), 5000);
        assert_int_equal(batch_more(39, RESULT_BYTES_MAX, 5000), 39);
}

static void a_failure_is_retried_and_at_last_quarantined(void **state)
{
        (void)state;
        struct retry_policy p = { 3, 1000, 10000, false, drawn };
        struct entry en = entry(&types[0], "7", NULL);
        for (int tries = 1; tries <= 3; tries++) {
                entry_fail(&en, &p, SPAN_LIT("no"));
                assert_int_equal(en.tries, tries);
                assert_int_equal(entry_waits(&en), tries < 3);
        }
        assert_int_equal(en.outcome, OUTCOME_QUARANTINED);
        struct entry dry = entry(&types[0], "7", NULL);
        dry.dry_run = true;
        entry_fail(&dry, &p, SPAN_LIT("no"));
        assert_true(dry.outcome == OUTCOME_FAILED && dry.parked == PARKED_NOT);
}

static void later_tasks_of_a_subject_are_blocked(void **state)
{
        (void)state;
        struct arena *a = arena_new(1 << 20);
        struct run run = { .run_no = 1 };
        struct entry list[] = { entry(&types[0], "7", &run), entry(&types[0], "3", &run),
                                entry(&types[0], "7", &run), entry(&types[1], "3", &run),
                                entry(&types[1], "7", &run) };
        struct batch b = { .arena = a, .entries = list, .n = ARRAY_LEN(list) };
        struct retry_policy p = { 2, 1000, 10000, false, drawn };
        assert_int_equal(batch_group(&b, ENTRY_READY, NULL), 0);
        entry_fail(&list[0], &p, SPAN_LIT("no"));
        list[0].state = ENTRY_DECIDED;
        batch_block(&b, 0);
        assert_true(list[2].state == ENTRY_DECIDED && list[2].parked == PARKED_BLOCKED);
        assert_true(list[4].state == ENTRY_DECIDED && list[4].parked == PARKED_BLOCKED);
        assert_true(list[1].state == ENTRY_READY && list[3].state == ENTRY_READY);
        size_t left = 0;
        for (size_t u = 1; u < b.n_groups; u++)
                left += b.groups[u].n;
        assert_int_equal(left, 1);

        struct entry sent[] = { entry(&types[0], "7", &run), entry(&types[0], "7", &run) };
        b.entries = sent;
        b.n = 2;
        sent[0].state = sent[1].state = ENTRY_PENDING;
        assert_int_equal(batch_group(&b, ENTRY_PENDING, NULL), 0);
        sent[0].tries = 1;
        entry_fail(&sent[0], &p, SPAN_LIT("no"));
        sent[0].state = ENTRY_ACTED;
        batch_block(&b, 0);
        assert_true(sent[1].state == ENTRY_ACTED &&
                    sent[1].parked == PARKED_BLOCKED_BY_QUARANTINED &&
                    sent[1].outcome == OUTCOME_QUARANTINED);
        arena_free(a);
}

static void a_statement_acts_for_one_actor(void **state)
{
        (void)state;
        struct arena *a = arena_new(1 << 20);
        struct run run = { .run_no = 1 };
        struct task_type asks = types[0];
        asks.by_actor = true;
        struct entry list[] = { entry(&asks, "1", NULL),     entry(&asks, "2", NULL),
                                entry(&asks, "3", NULL),     entry(&asks, "4", NULL),
                                entry(&asks, "5", &run),     entry(&asks, "6", &run),
                                entry(&types[1], "7", NULL), entry(&types[1], "8", NULL) };
        static const char *const actors[] = {
                "ana", "bob", "ana", NULL, "ana", "bob", "ana", "bob"
        };
        for (size_t i = 0; i < ARRAY_LEN(list); i++)
                list[i].task.actor = span_of(actors[i]);
        struct batch b = { .arena = a, .entries = list, .n = ARRAY_LEN(list) };
        assert_int_equal(batch_group(&b, ENTRY_READY, NULL), 0);
        assert_int_equal(b.n_groups, 5);
        for (size_t u = 0; u < b.n_groups; u++)
                for (size_t i = 1; i < b.groups[u].n; i++)
                        if (b.groups[u].type == &asks && !b.groups[u].run)
                                assert_true(span_eq(b.groups[u].list[0]->task.actor,
                                                    b.groups[u].list[i]->task.actor));
        arena_free(a);
}

static void a_replaced_outcome_is_counted_once(void **state)
{
        (void)state;
        struct arena *a = arena_new(1 << 20);
        struct progress t = { 0 };
        struct entry first = entry(&types[0], "7", NULL), second = first;
        first.task.task_id = second.task.task_id = (struct uuid){ { 1, 2, 3 } };
        first.outcome = OUTCOME_QUARANTINED;
        second.outcome = OUTCOME_APPLIED;
        second.replaces = true;
        assert_int_equal(progress_add(&t, &first, a), 0);
        uint64_t digest = t.list[0].digest.a;
        assert_int_equal(progress_add(&t, &second, a), 0);
        assert_true(t.list[0].counts[OUTCOME_QUARANTINED] == 0 &&
                    t.list[0].counts[OUTCOME_APPLIED] == 1 && t.list[0].digest.a == digest);
        arena_free(a);
}

static void what_is_not_ready_is_left_out(void **state)
{
        (void)state;
        struct arena *a = arena_new(1 << 20);
        struct entry list[] = { entry(&types[0], "1", NULL), entry(&types[0], "1", NULL) };
        list[0].state = ENTRY_DEAD;
        struct batch b = { .arena = a, .entries = list, .n = 2 };
        assert_int_equal(batch_group(&b, ENTRY_READY, NULL), 0);
        assert_int_equal(b.n_groups, 1);
        assert_int_equal(b.groups[0].n, 1);
        assert_int_equal(list[1].nth_of_subject, 0); /* a dead letter holds nobody up */
        arena_free(a);
}

static struct packs one_pack(void)
{
        static struct pack *list[] = { &pack };
        pack.types = types;
        pack.n_types = ARRAY_LEN(types);
        return (struct packs){ list, 1 };
}

static void admission(void **state)
{
        (void)state;
        static struct parameter days = {
                .name = "days", .type = VALUE_INTEGER, .required = true, .min = 1, .max = 10
        };
        struct packs packs = one_pack();
        struct uuid run_id = { { 1 } }, own = { { 9 } };
        struct run run = {
                .run_no = 5, .run_id = run_id, .state = RUN_PUBLISHED, .pack = &pack, .job = &job
        };
        struct run cancelled = run, refused = run, elsewhere = run;
        cancelled.state = RUN_CANCELLED;
        refused.state = RUN_REFUSED;
        elsewhere.job = NULL;
        struct argument good[] = { { SPAN_LIT("days"), SPAN_LIT("3") } },
                        bad[] = { { SPAN_LIT("days"), SPAN_LIT("30") } },
                        odd[] = { { SPAN_LIT("days"), SPAN_LIT("3") },
                                  { SPAN_LIT("x"), SPAN_LIT("") } };
        static char long_name[LEDGER_NAME_MAX + 2];
        memset(long_name, 'x', LEDGER_NAME_MAX + 1);
        const struct {
                const char *type, *subject;
                struct run *run;
                struct argument *arguments;
                size_t n;
                bool wrong_id;
                enum entry_state state;
                enum outcome outcome;
                const char *reason;
        } rows[] = {
                { "p.a", "5", &run, NULL, 0, false, ENTRY_READY, 0, NULL },
                { "p.a", "5", &run, NULL, 0, true, ENTRY_DEAD, 0, "task id" },
                { "p.a", "x", &run, NULL, 0, false, ENTRY_DECIDED, OUTCOME_FAILED,
                  "is no bigint, which p.a takes" },
                { "p.a", "99999999999999999999", &run, NULL, 0, false, ENTRY_DECIDED,
                  OUTCOME_FAILED, "is no bigint, which p.a takes" },
                { "p.a", "", &run, NULL, 0, false, ENTRY_DEAD, 0, "no subject" },
                { "p.t", long_name, &run, NULL, 0, false, ENTRY_DEAD, 0, "longer than 1000" },
                { "p.t", long_name + 1, &run, NULL, 0, false, ENTRY_READY, 0, NULL },
                { "p.t", "x y", &run, NULL, 0, false, ENTRY_READY, 0, NULL },
                { "p.gone", "5", NULL, NULL, 0, false, ENTRY_DECIDED, OUTCOME_FAILED,
                  "unknown task type" },
                { "p.gone", "5", &run, NULL, 0, false, ENTRY_UNEXPECTED, 0, NULL },
                { "p.b", "5", &run, NULL, 0, false, ENTRY_UNEXPECTED, 0, NULL },
                { "p.b", "5", &cancelled, NULL, 0, false, ENTRY_UNEXPECTED, 0, NULL },
                { "p.a", "5", &refused, NULL, 0, false, ENTRY_UNEXPECTED, 0, NULL },
                { "p.a", "5", &elsewhere, NULL, 0, false, ENTRY_UNEXPECTED, 0, NULL },
                { "p.a", "5", &run, good, 1, false, ENTRY_DEAD, 0, "no arguments" },
                { "p.a\n", "5", &run, NULL, 0, false, ENTRY_DEAD, 0, "not a name" },
                { "p.a", "5", &cancelled, NULL, 0, false, ENTRY_DECIDED, OUTCOME_SKIPPED,
                  "run cancelled" },
                { "p.b", "5", NULL, good, 1, false, ENTRY_READY, 0, NULL },
                { "p.b", "5", NULL, NULL, 0, false, ENTRY_DECIDED, OUTCOME_FAILED,
                  "days is missing" },
                { "p.b", "5", NULL, bad, 1, false, ENTRY_DECIDED, OUTCOME_FAILED, "days" },
                { "p.b", "5", NULL, odd, 2, false, ENTRY_DECIDED, OUTCOME_FAILED,
                  "no argument \"x\"" },
        };
        types[1].arguments = &days;
        types[1].n_arguments = 1;
        struct arena *a = arena_new(1 << 20);
        struct type_numbers *numbers = calloc(1, 64); /* nobody is in it */
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct entry en = { .task = { .type = span_of(rows[i].type),
                                              .subject = span_of(rows[i].subject),
                                              .item = SPAN_LIT(""),
                                              .task_id = own,
                                              .arguments = rows[i].arguments,
                                              .n_arguments = rows[i].n } };
                if (rows[i].run && !rows[i].wrong_id)
                        en.task.task_id = task_id_of(run_id, en.task.type, en.task.subject,
                                                     en.task.item);
                admit_entry(&en, &packs, numbers, rows[i].run, a);
                if (en.state != rows[i].state)
                        fail_msg("row %zu: state %d, reason %.*s", i, (int)en.state,
                                 SPAN_FMT(en.reason));
                if (rows[i].state == ENTRY_DECIDED)
                        assert_int_equal(en.outcome, rows[i].outcome);
                if (rows[i].reason &&
                    !memmem(en.reason.ptr, en.reason.len, rows[i].reason, strlen(rows[i].reason)))
                        fail_msg("row %zu: reason %.*s", i, SPAN_FMT(en.reason));
        }
        types[1].n_arguments = 0;
        free(numbers);
        arena_free(a);
}

/* A message cannot turn a dry step into a real one. */
static void a_dry_step_stays_dry(void **state)
{
        (void)state;
        struct packs packs = one_pack();
        struct run run = {
                .run_no = 5, .run_id = { { 1 } }, .state = RUN_PUBLISHED, .pack = &pack, .job = &job
        };
        struct arena *a = arena_new(1 << 20);
        struct type_numbers *numbers = calloc(1, 64);
        struct entry en = { .task = { .type = SPAN_LIT("p.a"),
                                      .subject = SPAN_LIT("5"),
                                      .item = SPAN_LIT(""),
                                      .dry_run = false } };
        en.task.task_id = task_id_of(run.run_id, en.task.type, en.task.subject, en.task.item);
        admit_entry(&en, &packs, numbers, &run, a);
        assert_int_equal(en.state, ENTRY_READY);
        assert_true(en.dry_run);
        free(numbers);
        arena_free(a);
}

static void counts_and_digests(void **state)
{
        (void)state;
        struct arena *a = arena_new(1 << 20);
        struct run run = { .run_no = 5, .run_id = { { 1 } } };
        struct entry done = { .run = &run,
                              .partition = 2,
                              .outcome = OUTCOME_APPLIED,
                              .task = { .subject = SPAN_LIT("5"), .item = SPAN_LIT("") },
                              .follow_ups = SPAN_LIT("p.x,p.y") };
        done.task.task_id = task_id_of(run.run_id, SPAN_LIT("p.a"), done.task.subject,
                                       done.task.item);
        struct progress t = { 0 };
        assert_int_equal(progress_add(&t, &done, a), 0);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.list[0].spawned, 2);
        assert_int_equal(t.list[0].counts[OUTCOME_APPLIED], 1);
        /* when the follow-ups are done too, what remains is the planned task's own id */
        const char *names[] = { "p.x", "p.y" };
        for (int i = 0; i < 2; i++) {
                struct entry f = { .run = &run,
                                   .partition = 2,
                                   .outcome = OUTCOME_FAILED,
                                   .follow_ups = SPAN_LIT("p.never") };
                f.task.task_id = follow_up_id(&done, span_of(names[i]));
                assert_int_equal(progress_add(&t, &f, a), 0);
        }
        uint64_t half = 0;
        for (int i = 0; i < 8; i++)
                half = half << 8 | done.task.task_id.b[i];
        assert_true(t.list[0].digest.a == half);
        assert_int_equal(t.list[0].spawned, 2); /* what failed spawns nothing */
        struct entry other = { .run = NULL, .partition = 2, .outcome = OUTCOME_SKIPPED };
        assert_int_equal(progress_add(&t, &other, a), 0);
        assert_int_equal(t.n, 2);
        arena_free(a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_subject_twice_in_a_group_and_order_per_subject),
                cmocka_unit_test(waits_double_up_to_the_maximum_with_full_jitter),
                cmocka_unit_test(a_batch_lasts_no_longer_than_about_a_second),
                cmocka_unit_test(a_batch_follows_the_size_of_its_results),
                cmocka_unit_test(a_failure_is_retried_and_at_last_quarantined),
                cmocka_unit_test(later_tasks_of_a_subject_are_blocked),
                cmocka_unit_test(a_statement_acts_for_one_actor),
                cmocka_unit_test(a_replaced_outcome_is_counted_once),
                cmocka_unit_test(what_is_not_ready_is_left_out),
                cmocka_unit_test(admission),
                cmocka_unit_test(a_dry_step_stays_dry),
                cmocka_unit_test(counts_and_digests),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
