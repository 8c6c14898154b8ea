/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents in JSON as requests for tasks: what is taken, and what is refused with which
 * sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/json_event.h"

#include <stdlib.h>
#include <string.h>

#define EVENT(data)                                               \
        "{\"specversion\":\"1.0\",\"id\":\"8812\",\"source\":\"/" \
        "hr\",\"type\":\"p.a\",\"subject\":\"5\",\"data\":" data "}"

static int read(const char *text, struct arena *a, struct task *ret, struct err *e)
{
        return json_event_task(span_of(text), NULL, SPAN_LIT("portal"), a, ret, e);
}

static void taken(void **state)
{
        (void)state;
        struct arena *a = arena_new(1 << 20);
        struct err e = ERR_INIT;
        struct task t;
        char id[UUID_TEXT_LEN + 1];
        if (read(EVENT("{\"item\":\"x\",\"dry_run\":true,\"arguments\":{\"days\":-"
                       "9223372036854775808,\"on\":true,\"off\":false,\"why\":\"\xc3\xa9\"}}"),
                 a, &t, &e) < 0)
                fail_msg("%s", e.text);
        assert_true(span_is(t.type, "p.a") && span_is(t.subject, "5") && span_is(t.item, "x") &&
                    t.dry_run && t.n_arguments == 4);
        assert_true(span_is(t.arguments[0].value, "-9223372036854775808") &&
                    span_is(t.arguments[1].value, "true"));
        assert_true(span_is(t.arguments[2].value, "false") &&
                    span_is(t.arguments[3].value, "\xc3\xa9") &&
                    span_is(t.arguments[3].name, "why"));
        uuid_to_text(t.task_id, id);
        assert_string_equal(id, "f7a569bc-a446-5ff1-a78b-a4a986dee621");
        if (read(EVENT("{\"type\":\"p.b\",\"subject\":-7,\"item\":null,\"arguments\":null}"), a, &t,
                 &e) < 0)
                fail_msg("%s", e.text);
        assert_true(span_is(t.type, "p.b") && span_is(t.subject, "-7") && t.item.len == 0 &&
                    !t.dry_run && t.n_arguments == 0);
        arena_free(a);
}

static void ids(void **state)
{
        (void)state;
        struct span s = SPAN_LIT("s"), id = SPAN_LIT("D77B17AB-d1c1-59ef-a428-2cebea32e117");
        char text[UUID_TEXT_LEN + 1];
        uuid_to_text(event_task_id(s, s, id), text);
        assert_string_equal(text, "d77b17ab-d1c1-59ef-a428-2cebea32e117");
        struct uuid a = event_task_id(SPAN_LIT("x"), SPAN_LIT("y"), SPAN_LIT("1"));
        /* services share no ids that are made */
        assert_false(uuid_eq(a, event_task_id(SPAN_LIT("z"), SPAN_LIT("y"), SPAN_LIT("1"))));
        assert_false(uuid_eq(a, event_task_id(SPAN_LIT("x"), SPAN_LIT("z"), SPAN_LIT("1"))));
}

static void refused(void **state)
{
        (void)state;
        static const struct {
                const char *text, *said;
        } rows[] = {
                { "", "JSON: line 1, column 0: it ends too early" },
                { "{\"a\":\"secret", "ends too early" },
                { "{a}", "not well-formed" },
                { "[1]", "expected an object" },
                { "7", "not well-formed" },
                { EVENT("{}") " ", NULL },
                { EVENT("{}") "{}", "something after its end" },
                { EVENT("{\"subject\":\"1\",\"subject\":\"2\"}"), "given twice" },
                { EVENT("{\"subject\":\"1\\u0000\"}"), "U+0000" },
                { EVENT("{\"subject\":\"\xed\xa0\x80\"}"), "not UTF-8" },
                { EVENT("{\"subject\":1e400}"), "a number that is too large" },
                { EVENT("{\"subject\":18446744073709551616}"), "a number that is too large" },
                { EVENT("{\"subject\":1.0}"), "subject is a number with a fraction" },
                { EVENT("{\"arguments\":[]}"), "arguments: expected an object" },
                { EVENT("{\"arguments\":{\"a\":{}}}"), "argument a is not one value" },
                { EVENT("{\"dry_run\":1}"), "dry_run" },
                { EVENT("{\"task_id\":\"x\"}"), "data has a field \"task_id\"" },
                { EVENT("{\"run_id\":\"x\"}"), "data has a field \"run_id\"" },
                { EVENT("[]"), "data is missing or no object" },
                { "{\"specversion\":\"1.1\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{"
                  "}}",
                  "specversion" },
                { "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"s\",\"type\":\"t\",\"data\":{}"
                  "}",
                  "id is missing" },
                { "{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\",\"data\":{}}",
                  "source is missing" },
                { "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{"
                  "},\"data_base64\":\"\"}",
                  "data_base64" },
        };
        struct arena *a = arena_new(1 << 20);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct err e = ERR_INIT;
                struct task t = { 0 };
                int rc = read(rows[i].text, a, &t, &e);
                if ((rc == 0) != !rows[i].said ||
                    (rc < 0 && (e.class != ERR_INPUT || !strstr(e.text, rows[i].said))))
                        fail_msg("row %zu: %s", i, rc < 0 ? e.text : "taken");
                if (rc < 0 && strstr(e.text, "secret"))
                        fail_msg("row %zu repeats a value: %s", i, e.text);
        }
        arena_free(a);
}

/* What the parser would need memory for is counted before. */
static void bounds(void **state)
{
        (void)state;
        struct arena *a = arena_new(16 << 20);
        struct buf text BUF_CLEANUP;
        struct err e = ERR_INIT;
        struct task t;
        buf_init(&text, 4 << 20);
        buf_adds(&text, "{\"a\":");
        for (int i = 0; i < 100000; i++)
                buf_addc(&text, '[');
        assert_int_equal(read(buf_str(&text), a, &t, &e), -1);
        assert_non_null(strstr(e.text, "nested more than 8"));
        buf_reset(&text);
        buf_adds(&text, "{\"a\":[0");
        for (int i = 0; i < 100000; i++)
                buf_adds(&text, ",0");
        assert_int_equal(read(buf_str(&text), a, &t, &e), -1);
        assert_non_null(strstr(e.text, "more than 1,024 values"));
        buf_reset(&text);
        buf_adds(&text, "{\"a\":\"");
        for (int i = 0; i < 1 << 20; i++)
                buf_addc(&text, ',');
        assert_int_equal(read(buf_str(&text), a, &t, &e), -1);
        assert_non_null(strstr(e.text, "larger than 1 MiB"));
        buf_reset(&text); /* brackets and commas within texts are none */
        buf_adds(&text, EVENT("{\"arguments\":{\"a\":\"\\\"[[[[[[[[[[[[[[[[[["));
        text.len -= strlen("}");
        for (int i = 0; i < 2000; i++)
                buf_addc(&text, ',');
        buf_adds(&text, "\"}}}");
        if (read(buf_str(&text), a, &t, &e) < 0)
                fail_msg("%s", e.text);
        buf_reset(&text);
        buf_adds(&text, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\","
                        "\"data\":{\"subject\":\"");
        for (int i = 0; i <= CODEC_TEXT_MAX; i++)
                buf_addc(&text, 'x');
        buf_adds(&text, "\"}}");
        assert_int_equal(read(buf_str(&text), a, &t, &e), -1);
        assert_non_null(strstr(e.text, "subject is longer than 65536 bytes"));
        arena_free(a);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(taken), cmocka_unit_test(ids),
                                            cmocka_unit_test(refused), cmocka_unit_test(bounds) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
