#include "publish/dead_letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_id(struct letter_origin o, const char *text)
{
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(dead_letter_id(&o), id);
        assert_string_equal(id, text);
}

/* As docs/messages.md says; calculated with Python's uuid5. */
static void an_id_follows_from_log_offset_and_attempt(void **state)
{
        (void)state;
        expect_id((struct letter_origin){ "c1", "rollcall.tasks", 3, 7, 41, 1 },
                  "c84dfe15-8bc2-5f69-9569-46681dd20fe9");
        /* the topic was made anew */
        expect_id((struct letter_origin){ "c1", "rollcall.tasks", 3, 8, 41, 1 },
                  "16d58e56-a544-54a5-8ec3-cc096ee01576");
        expect_id((struct letter_origin){ "c1", "rollcall.tasks", 3, 7, 41, 3 },
                  "045f848e-acc2-5491-b702-611c3d5b125d");
}

static void a_reason_is_a_line_of_plain_text(void **state)
{
        (void)state;
        BUF_CLEANUP struct buf out;
        buf_init(&out, 1000);
        dead_letter_reason(SPAN_LIT("two\nlines, \"quoted\", não, \xff\x01"), "; more", &out);
        assert_string_equal(buf_str(&out), "two?lines, \"quoted\", não, ??; more");
        char text[2000];
        memset(text, 'x', sizeof text);
        buf_reset(&out);
        dead_letter_not_kept((struct span){ text, sizeof text }, 3000000, &out);
        assert_int_equal(out.len, 300 + strlen("; its 3000000 bytes are not kept"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_id_follows_from_log_offset_and_attempt),
                cmocka_unit_test(a_reason_is_a_line_of_plain_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
