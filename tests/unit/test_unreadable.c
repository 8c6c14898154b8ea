/* SPDX-License-Identifier: Apache-2.0 */
/* Unreadable batches between the search for their end and librdkafka, which is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kafka/assignment.h"
#include "kafka/consumer.h"
#include "kafka/opened.h"
#include "kafka/searches.h"
#include "kafka/unreadable.h"

#include <stdlib.h>

static struct {
        struct kafka_consumer c;
        struct slot slot;
        bool refuse_seeks, no_answer;
        int64_t sought; /* -1: not yet */
        int seeks, asked;
} world;

int consumer_seek(struct kafka_consumer *c, struct slot *s, int64_t offset, struct err *e)
{
        (void)c, (void)s;
        world.seeks++;
        world.sought = offset;
        return world.refuse_seeks ? err_set(e, ERR_RETRY, "_TIMED_OUT", "not accepted") : 0;
}

int kafka_seek(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t offset,
               struct err *e)
{
        (void)topic, (void)partition;
        if (consumer_seek(c, &world.slot, offset, e) < 0)
                return -1;
        world.slot.next = offset;
        world.slot.unreadable = (struct unreadable){ .polled = c->polled };
        return 0;
}

int client_offsets(rd_kafka_t *rk, const char *topic, int32_t first, int n, int64_t which,
                   int64_t *ret, int timeout_ms, struct err *e)
{
        (void)rk, (void)topic, (void)first, (void)n, (void)which, (void)timeout_ms;
        world.asked++;
        *ret = 200;
        return world.no_answer ? err_set(e, ERR_RETRY, "", "no answer") : 0;
}

struct slot *assignment_of(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
        (void)c, (void)m;
        return &world.slot;
}

static void begin(int64_t next)
{
        world.c = (struct kafka_consumer){ .slots = &world.slot, .n_slots = 1 };
        world.slot = (struct slot){ .topic = "t", .next = next, .newest = 5, .log_probe.ms = 4 };
        world.refuse_seeks = world.no_answer = false;
        world.sought = -1;
        world.seeks = world.asked = 0;
}

static rd_kafka_message_t came(rd_kafka_resp_err_t err, int64_t offset)
{
        return (rd_kafka_message_t){ .err = err, .offset = offset, .rkt = (void *)&world };
}

static bool error(rd_kafka_resp_err_t code, int64_t offset)
{
        rd_kafka_message_t m = came(code, offset);
        return unreadable_error(&world.c, &m);
}

static void fails_at(int64_t first)
{
        world.c.polled++;
        assert_true(error(RD_KAFKA_RESP_ERR__BAD_COMPRESSION, first));
}

static bool is_dropped(int64_t offset)
{
        rd_kafka_message_t m = came(RD_KAFKA_RESP_ERR_NO_ERROR, offset);
        return unreadable_probed(&world.c, &m, &world.slot);
}

/* The batch that is given out at the end of a poll, if there is one. */
static bool is_given(int64_t first, int64_t last)
{
        struct kafka_message m;
        struct err e = ERR_INIT;
        int n = unreadable_give(&world.c, &m, 0, 1, &e);
        if (n <= 0)
                return false;
        assert_int_equal(n, 1);
        assert_int_equal(m.first, first);
        assert_int_equal(m.offset, last);
        free(m.unreadable);
        return true;
}

static void three_failures_begin_the_search(void **state)
{
        (void)state;
        begin(100);
        fails_at(100);
        fails_at(100);
        assert_int_equal(world.asked, 0);
        fails_at(100);
        assert_int_equal(world.asked, 1);
        assert_int_equal(world.sought, 101);
        assert_false(is_given(0, 0));
        /* what the same poll brought was fetched before */
        assert_true(error(RD_KAFKA_RESP_ERR__BAD_COMPRESSION, 100));
        assert_true(is_dropped(150));
        assert_true(error(RD_KAFKA_RESP_ERR__PARTITION_EOF, 200));
        assert_int_equal(world.seeks, 1);
        world.c.polled++;
        assert_true(is_dropped(101));
        assert_true(is_given(100, 100));
        assert_int_equal(world.sought, 101);
        assert_int_equal(world.slot.next, 101);
        world.c.polled++;
        assert_false(is_dropped(101));
}

/* Whoever asks a broker for a time that lies in such a batch makes it open it. */
static void no_more_is_asked_for_times(void **state)
{
        (void)state;
        begin(100);
        fails_at(100);
        assert_true(world.slot.log_probe.ms == -1 && world.slot.newest == -1);
}

/* It may be done later all the same: what comes from there is behind the batch. */
static void a_seek_that_is_not_accepted(void **state)
{
        (void)state;
        begin(100);
        world.refuse_seeks = true;
        for (int i = 0; i < 3; i++)
                fails_at(100);
        assert_int_equal(world.sought, 101);
        for (int i = 0; i < 3; i++) {
                world.c.polled++;
                assert_true(is_dropped(101 + i));
                assert_true(error(RD_KAFKA_RESP_ERR__BAD_COMPRESSION, 100));
                assert_false(is_given(0, 0));
        }
        assert_int_equal(world.seeks, 4);
        world.refuse_seeks = false;
        assert_false(is_given(0, 0));
        assert_true(is_dropped(101));
        world.c.polled++;
        assert_true(is_dropped(101));
        world.refuse_seeks = true; /* the one behind the batch, too */
        assert_false(is_given(100, 100));
        world.c.polled++;
        assert_true(is_dropped(102));
        world.refuse_seeks = false;
        assert_true(is_given(100, 100));
}

static void the_log_end_is_asked_for_again(void **state)
{
        (void)state;
        begin(100);
        world.no_answer = true;
        for (int i = 0; i < 3; i++)
                fails_at(100);
        assert_int_equal(world.asked, 1);
        world.c.polled++;
        assert_true(is_dropped(150));     /* the client continued by itself */
        assert_int_equal(world.asked, 1); /* not at once */
        world.no_answer = false;
        world.slot.unreadable.until_ms = 0;
        assert_false(is_given(0, 0));
        assert_int_equal(world.asked, 2);
        assert_int_equal(world.sought, 101);
}

static void nothing_comes(void **state)
{
        (void)state;
        begin(100);
        for (int i = 0; i < 3; i++)
                fails_at(100);
        world.c.polled++;
        assert_false(is_given(0, 0));
        assert_int_equal(world.seeks, 1);
        world.slot.unreadable.until_ms = 0;
        assert_false(is_given(0, 0)); /* requested once more, and nothing concluded */
        assert_int_equal(world.seeks, 2);
        assert_int_equal(world.sought, 101);
        world.c.polled++;
        assert_true(error(RD_KAFKA_RESP_ERR__PARTITION_EOF, 200));
        assert_true(is_given(100, 100));
}

static void an_offset_that_the_log_does_not_have(void **state)
{
        (void)state;
        begin(100);
        assert_false(error(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, 100));
        for (int i = 0; i < 3; i++)
                fails_at(100);
        world.c.polled++;
        /* the partition is assigned again; what was found is of the topic before */
        assert_false(error(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, 101));
        assert_int_equal(world.slot.unreadable.end.state, BATCH_END_NONE);
        world.slot.unreadable.until_ms = 0;
        assert_false(is_given(0, 0));
        assert_int_equal(world.seeks, 1);
}

static void a_search_outlives_the_assignment(void **state)
{
        (void)state;
        struct kafka_searches *kept = kafka_searches_new();
        assert_non_null(kept);
        begin(100);
        for (int i = 0; i < 5; i++)
                fails_at(100);
        int64_t inside = world.slot.unreadable.end.inside;
        assert_true(inside > 101);
        searches_keep(kept, &world.slot);
        begin(99); /* the message before is compared */
        searches_recall(kept, &world.slot);
        world.c.polled++;
        assert_false(is_dropped(99));
        world.slot.next = 100;
        fails_at(100);
        assert_true(world.sought > inside && world.asked == 0);
        /* it was taken out; and what is behind us is nothing to be resumed */
        searches_keep(kept, &world.slot);
        begin(101);
        searches_recall(kept, &world.slot);
        assert_int_equal(world.slot.unreadable.end.state, BATCH_END_NONE);
        begin(99);
        searches_recall(kept, &world.slot);
        assert_int_equal(world.slot.unreadable.end.state, BATCH_END_NONE);
        kafka_searches_free(kept);
        searches_keep(NULL, &world.slot);
        searches_recall(NULL, &world.slot);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(three_failures_begin_the_search),
                cmocka_unit_test(no_more_is_asked_for_times),
                cmocka_unit_test(a_seek_that_is_not_accepted),
                cmocka_unit_test(the_log_end_is_asked_for_again),
                cmocka_unit_test(nothing_comes),
                cmocka_unit_test(an_offset_that_the_log_does_not_have),
                cmocka_unit_test(a_search_outlives_the_assignment),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
