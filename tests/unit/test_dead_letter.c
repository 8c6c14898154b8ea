/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/dead_letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_id(struct dead_letter_origin o, const char *text)
{
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(dead_letter_id(&o), id);
        assert_string_equal(id, text);
}

/* As docs/messages.md says; calculated with Python's uuid5. */
static void an_id_follows_from_log_offset_and_attempt(void **state)
{
        (void)state;
        expect_id((struct dead_letter_origin){ "c1", "rollcall.tasks", 3, 7, 41, 1 },
                  "c84dfe15-8bc2-5f69-9569-46681dd20fe9");
        /* the topic was re-created */
        expect_id((struct dead_letter_origin){ "c1", "rollcall.tasks", 3, 8, 41, 1 },
                  "16d58e56-a544-54a5-8ec3-cc096ee01576");
        expect_id((struct dead_letter_origin){ "c1", "rollcall.tasks", 3, 7, 41, 3 },
                  "045f848e-acc2-5491-b702-611c3d5b125d");
}

static void a_reason_is_a_line_of_plain_text(void **state)
{
        (void)state;
        BUF_CLEANUP struct buf out;
        buf_init(&out, 1000);
        dead_letter_reason(SPAN_LIT("two\nlines, \"quoted\", não, \xff\x01"), "; more", &out);
        assert_string_equal(buf_str(&out), "two?lines, \"quoted\", não, ??; more");
}

static void an_original_that_is_too_large_is_not_kept(void **state)
{
        (void)state;
        BUF_CLEANUP struct buf out;
        buf_init(&out, DEAD_LETTER_REASON_MAX);
        char text[2000];
        memset(text, 'x', sizeof text);
        const struct span long_reason = { text, sizeof text };
        struct span key = { text, 2 }, value = { text, DEAD_LETTER_KEPT_MAX - 2 };
        dead_letter_keep(long_reason, &key, &value, &out);
        assert_int_equal(out.len, 300);
        assert_int_equal(key.len + value.len, DEAD_LETTER_KEPT_MAX);
        value.len++;
        buf_reset(&out);
        dead_letter_keep(long_reason, &key, &value, &out);
        assert_int_equal(out.len, 300 + strlen("; its 1048577 bytes are not kept"));
        assert_null(key.ptr);
        assert_null(value.ptr);
}

static void an_original_that_is_too_large_for_the_topic_is_left_out(void **state)
{
        (void)state;
        BUF_CLEANUP struct buf out;
        buf_init(&out, DEAD_LETTER_REASON_MAX);
        struct dead_letter_post d = {
                .origin = { "c1", "rollcall.tasks", 3, 7, 41, 1 },
                .reason = SPAN_LIT("no Avro"),
                .key = SPAN_LIT("k"),
                .value = { "v", DEAD_LETTER_PUBLISHED_MAX - 1 },
                .at = 5,
                .table = "held",
        };
        struct dead_letter m = dead_letter_event(&d, &out);
        assert_true(span_is(m.reason, "no Avro"));
        assert_int_equal(m.key.len + m.value.len, DEAD_LETTER_PUBLISHED_MAX);
        assert_true(span_is(m.topic, "rollcall.tasks"));
        assert_true(m.partition == 3 && m.offset == 41 && m.attempts == 1 && m.at == 5);
        d.value.len++;
        buf_reset(&out);
        m = dead_letter_event(&d, &out);
        assert_true(span_is(m.reason, "no Avro; its bytes are in rollcall.held"));
        assert_null(m.key.ptr);
        assert_null(m.value.ptr);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_id_follows_from_log_offset_and_attempt),
                cmocka_unit_test(a_reason_is_a_line_of_plain_text),
                cmocka_unit_test(an_original_that_is_too_large_is_not_kept),
                cmocka_unit_test(an_original_that_is_too_large_for_the_topic_is_left_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
