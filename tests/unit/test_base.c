/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/trouble.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/uuid.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void buf_keeps_its_maximum(void **state)
{
        (void)state;
        struct buf b BUF_CLEANUP;
        buf_init(&b, 10);
        assert_string_equal(buf_str(&b), "");
        buf_adds(&b, "12345");
        buf_addf(&b, "%d", 67890);
        assert_false(b.failed);
        assert_string_equal(buf_str(&b), "1234567890");
        buf_addc(&b, '!');
        assert_true(b.failed);
        assert_string_equal(buf_str(&b), "1234567890");
        buf_reset(&b);
        assert_false(b.failed);
        buf_addf(&b, "%s", "eleven char");
        assert_true(b.failed);
        buf_adds(&b, "x"); /* after a failure nothing is appended any more */
        assert_int_equal(b.len, 0);
        buf_reset(&b);
        assert_null(buf_grow(&b, SIZE_MAX));
        buf_reset(&b);
        char *at = buf_grow(&b, 10);
        assert_non_null(at);
        assert_int_equal(b.data[10], 0);
        buf_deinit(&b);
        buf_deinit(&b);
        assert_int_equal(b.max, 10);
}

static void buf_grows(void **state)
{
        (void)state;
        struct buf b BUF_CLEANUP;
        buf_init(&b, 100000);
        for (int i = 0; i < 10000; i++)
                buf_addf(&b, "%09d\n", i);
        assert_false(b.failed);
        assert_int_equal(b.len, 100000);
        assert_memory_equal(b.data + 99990, "000009999\n", 11);
        buf_add_span(&b, (struct span){ 0 });
        assert_false(b.failed);
}

static void spans(void **state)
{
        (void)state;
        assert_true(span_is(SPAN_LIT("abc"), "abc"));
        assert_false(span_is(SPAN_LIT("abc"), "abcd"));
        assert_true(span_eq((struct span){ 0 }, SPAN_LIT("")));
        assert_null(span_of(NULL).ptr);
}

static void arena_keeps_its_maximum(void **state)
{
        (void)state;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(256 * 1024);
        assert_non_null(a);
        size_t got = 0;
        for (char *p; (p = arena_alloc(a, 1000)) != NULL; got += 1000) {
                assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
                assert_int_equal(p[0] | p[999], 0);
                memset(p, 'x', 1000);
        }
        assert_in_range(got, 200 * 1024, 256 * 1024);
        arena_reset(a);
        char *again = arena_alloc(a, 1000); /* zeroed, though the memory was used */
        assert_non_null(again);
        assert_int_equal(again[0] | again[999], 0);
        assert_null(arena_alloc(a, 256 * 1024 + 1));
        assert_null(arena_alloc(a, SIZE_MAX));
}

static void arena_large_and_copies(void **state)
{
        (void)state;
        struct arena *a CLEANUP(arena_cleanup) = arena_new(1024 * 1024);
        assert_non_null(arena_alloc(a, 300 * 1024));
        char *copy = arena_strndup(a, "abcdef", 3);
        assert_string_equal(copy, "abc");
        struct span s = arena_span(a, SPAN_LIT("text"));
        assert_true(span_is(s, "text"));
        assert_null(arena_span(a, (struct span){ 0 }).ptr);
        assert_non_null(arena_span(a, SPAN_LIT("")).ptr);
}

static void uuids(void **state)
{
        (void)state;
        struct uuid dns, u;
        char text[UUID_TEXT_LEN + 1];
        assert_true(uuid_parse("6BA7B810-9dad-11d1-80b4-00c04fd430c8", 36, &dns));
        uuid_to_text(uuid_v5(dns, "www.example.com", 15), text); /* RFC 9562, appendix A.4 */
        assert_string_equal(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        static const char *const wrong[] = {
                "6ba7b810-9dad-11d1-80b4-00c04fd430c",
                "6ba7b810-9dad-11d1-80b4-00c04fd430c88",
                "6ba7b8109dad-11d1-80b4-00c04fd430c8-",
                "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
                "",
        };
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
                assert_false(uuid_parse(wrong[i], strlen(wrong[i]), &u));
        u = uuid_random();
        assert_int_equal(u.b[6] >> 4, 4);
        assert_int_equal(u.b[8] >> 6, 2);
        assert_false(uuid_eq(u, uuid_random()) || uuid_is_nil(u));
        assert_true(uuid_is_nil((struct uuid){ { 0 } }));
}

static void instants(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                instant t;
                const char *formatted; /* NULL: the same */
        } rows[] = {
                { "1970-01-01T00:00:00Z", 0, NULL },
                { "1969-12-31T23:59:59.999999Z", -1, NULL },
                { "1969-12-31T00:00:00Z", INT64_C(-86400000000), NULL },
                { "2000-02-29T12:00:00Z", INT64_C(951825600000000), NULL },
                { "2024-02-29T23:59:59Z", INT64_C(1709251199000000), NULL },
                { "2100-03-01T00:00:00Z", INT64_C(4107542400000000), NULL },
                { "1600-02-29T00:00:00Z", INT64_C(-11670998400000000), NULL },
                { "0001-01-01T00:00:00Z", INT64_C(-62135596800000000), NULL },
                { "9999-12-31T23:59:59.000001Z", INT64_C(253402300799000001), NULL },
                { "2026-11-21T06:00:00-03:00", INT64_C(1795251600000000), "2026-11-21T09:00:00Z" },
                { "2026-11-21 14:30:00+05:30", INT64_C(1795251600000000), "2026-11-21T09:00:00Z" },
                { "2026-11-21t09:00:00.5z", INT64_C(1795251600500000),
                  "2026-11-21T09:00:00.500000Z" },
                { "2026-11-21T09:00:00.1234567Z", INT64_C(1795251600123456),
                  "2026-11-21T09:00:00.123456Z" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                instant t;
                char text[INSTANT_TEXT_MAX];
                if (!instant_parse(rows[i].text, strlen(rows[i].text), &t))
                        fail_msg("%s is refused", rows[i].text);
                assert_int_equal(t, rows[i].t);
                instant_format(t, text);
                assert_string_equal(text, rows[i].formatted ? rows[i].formatted : rows[i].text);
        }
        static const char *const wrong[] = {
                "",
                "2026-11-21",
                "2026-11-21T09:00:00",
                "2026-13-01T00:00:00Z",
                "2026-00-01T00:00:00Z",
                "2026-01-32T00:00:00Z",
                "2026-01-01T24:00:00Z",
                "2026-01-01T00:60:00Z",
                "2026-01-01T00:00:00Zx",
                "26-01-01T00:00:00Z",
                "2026-01-01T00:00:00+1",
                "2026-01-01T00:00:00+0100",
                "2023-02-29T00:00:00Z",
                "2100-02-29T00:00:00Z",
                "2026-04-31T00:00:00Z",
                "2026-01-01T00:00:00.Z",
                "2026-01-01T00:00:00+99:99",
        };
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                instant t;
                if (instant_parse(wrong[i], strlen(wrong[i]), &t))
                        fail_msg("%s is taken", wrong[i]);
        }
}

static void days(void **state)
{
        (void)state;
        for (int64_t d = -800000; d < 800000; d += 13) {
                int y, m, day;
                civil_from_days(d, &y, &m, &day);
                assert_int_equal(days_from_civil(y, m, day), d);
        }
        assert_int_equal(days_from_civil(1970, 1, 1), 0);
        assert_int_equal(days_from_civil(2024, 3, 1) - days_from_civil(2024, 2, 28), 2);
        assert_int_equal(days_from_civil(1900, 3, 1) - days_from_civil(1900, 2, 28), 1);
}

static void errors(void **state)
{
        (void)state;
        struct err e = ERR_INIT;
        assert_int_equal(err_set(&e, ERR_RETRY, "40P01", "table %s", "users"), -1);
        assert_int_equal(err_prefix(&e, "batch %d", 7), -1);
        assert_string_equal(e.text, "batch 7: table users");
        assert_string_equal(e.code, "40P01");
        assert_int_equal(e.class, ERR_RETRY);
        assert_int_equal(err_set(NULL, ERR_FATAL, NULL, "nobody listens"), -1);
        assert_int_equal(err_prefix(NULL, "nobody listens"), -1);
        char large[2 * sizeof e.text];
        memset(large, 'x', sizeof large - 1);
        large[sizeof large - 1] = '\0';
        err_set(&e, ERR_FATAL, "", "%s", large);
        assert_int_equal(strlen(e.text), sizeof e.text - 1);
        err_prefix(&e, "where");
        assert_memory_equal(e.text, "where: xxx", 10);
        assert_int_equal(strlen(e.text), sizeof e.text - 1);
        assert_string_equal(err_class_name(ERR_INPUT), "input");
        for (size_t shift = 0; shift < 4; shift++) { /* cut within a character of four bytes */
                for (size_t i = 0; i + 4 < sizeof large; i += 4)
                        memcpy(large + i, "\xf0\x9f\x98\x80", 5);
                err_set(&e, ERR_FATAL, "", "%.*s%s", (int)shift, "xxxx", large);
                char again[sizeof e.text];
                strcpy(again, e.text);
                utf8_clean(again);
                assert_string_equal(again, e.text);
                assert_memory_equal(e.text + sizeof e.text - 1 - (sizeof e.text - 1 - shift) % 4,
                                    "???", (sizeof e.text - 1 - shift) % 4);
        }
}

static void utf8(void **state)
{
        (void)state;
        static const struct {
                const char *in, *out;
        } cases[] = {
                { "", "" },
                { "plain", "plain" },
                { "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
                { "caf\xe9", "caf?" },
                { "\xc3", "?" },
                { "a\xe2\x82", "a??" },
                { "\xc0\x80x", "??x" },
                { "\xed\xa0\x80", "???" },
                { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
                { "\xf4\x90\x80\x80", "????" },
                { "\xff\xfe", "??" },
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[16];
                strcpy(text, cases[i].in);
                utf8_clean(text);
                assert_string_equal(text, cases[i].out);
        }
}

static void spans_have_an_order(void **state)
{
        (void)state;
        static const char *const ascending[] = { "", "a", "aa", "ab", "b", "\xc3\xa9" };
        for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
                for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
                        int c = span_cmp(span_of(ascending[i]), span_of(ascending[k]));
                        assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
                }
        assert_int_equal(span_cmp((struct span){ 0 }, (struct span){ 0 }), 0);
        assert_int_equal(span_cmp(SPAN_LIT("a\0b"), SPAN_LIT("a\0a")) > 0, 1);
}

static void texts_are_cut_between_characters(void **state)
{
        (void)state;
        static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
        static const size_t lengths[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };
        for (size_t max = 0; max < ARRAY_LEN(lengths); max++)
                assert_int_equal(utf8_cut(span_of(text), max).len, lengths[max]);
}

static void hexadecimal(void **state)
{
        (void)state;
        const uint8_t bytes[] = { 0x00, 0x9a, 0xff };
        char text[8] = "";
        assert_ptr_equal(hex_encode(text, bytes, sizeof bytes), text + 6);
        assert_string_equal(text, "009aff");
        for (int i = 0; i < 16; i++) {
                assert_int_equal(hex_value("0123456789abcdef"[i]), i);
                assert_int_equal(hex_value("0123456789ABCDEF"[i]), i);
        }
        for (const char *p = "/:@G`g -"; *p; p++)
                assert_int_equal(hex_value(*p), -1);
        assert_int_equal(hex_value(-1), -1);
}

static void the_order_of_ids_does_not_change_their_digest(void **state)
{
        (void)state;
        struct uuid one = { { 1, 0, 0, 0, 0, 0, 0, 2, [15] = 3 } }, other = uuid_random();
        struct uuid_digest d = { 0 }, reverse = { 0 };
        uuid_digest_add(&d, one);
        assert_true(d.a == UINT64_C(0x0100000000000002) && d.b == 3);
        uuid_digest_add(&d, other);
        uuid_digest_add(&reverse, other);
        uuid_digest_add(&reverse, one);
        assert_true(d.a == reverse.a && d.b == reverse.b);
        uuid_digest_add(&d, other);
        assert_true(d.a == UINT64_C(0x0100000000000002) && d.b == 3);
}

static void files_are_written_whole(void **state)
{
        (void)state;
        char text[16] = "";
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        assert_true(file_write(fds[1], "abc", 3) && file_write(fds[1], NULL, 0));
        close(fds[1]);
        assert_int_equal(read(fds[0], text, sizeof text), 3);
        assert_string_equal(text, "abc");
        close(fds[0]);
        assert_false(file_write(fds[1], "abc", 3));
}

/* What log_write wrote, without its time, into `line`. */
#define LOGGED(line, ...)                                            \
        do {                                                         \
                int pipes[2], kept = dup(STDERR_FILENO);             \
                assert_int_equal(pipe(pipes), 0);                    \
                dup2(pipes[1], STDERR_FILENO);                       \
                log_write(LOG_LEVEL_INFO, __VA_ARGS__);              \
                dup2(kept, STDERR_FILENO);                           \
                close(kept);                                         \
                close(pipes[1]);                                     \
                ssize_t got = read(pipes[0], line, sizeof line - 1); \
                close(pipes[0]);                                     \
                assert_true(got > 0);                                \
                line[got] = '\0';                                    \
        } while (0)

static void logs(void **state)
{
        (void)state;
        static const struct {
                const char *value, *quoted, *bare;
        } rows[] = {
                { "plain", "\"plain\"", "plain" },
                { "a b", "\"a b\"", "\"a b\"" },
                { "", "\"\"", "\"\"" },
                { "say \"x\" level=error", "\"say \\\"x\\\" level=error\"",
                  "\"say \\\"x\\\" level=error\"" },
                { "back\\slash", "\"back\\\\slash\"", "\"back\\\\slash\"" },
                { "x\nlevel=error", "\"x\\nlevel=error\"", "\"x\\nlevel=error\"" },
                { "\033[2J\r\t\001\177", "\"\\x1b[2J\\r\\t\\x01\\x7f\"",
                  "\"\\x1b[2J\\r\\t\\x01\\x7f\"" },
                { "Conceição", "\"Conceição\"", "Conceição" },
                { "bad\xff\xc3 \xed\xa0\x80", "\"bad\\xff\\xc3 \\xed\\xa0\\x80\"",
                  "\"bad\\xff\\xc3 \\xed\\xa0\\x80\"" },
                { "\xc2\x9b\xe2\x80\xae\xe2\x80\xa8",
                  "\"\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x80\\xa8\"",
                  "\"\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x80\\xa8\"" },
                { "k=v", "\"k=v\"", "\"k=v\"" },
        };
        char line[4096], expected[400];
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                LOGGED(line, "said \"so\"",
                       "n=%d q=" LOG_Q " b=%s big=%lld size=%zu hex=%02x half=%.1f%%", -5,
                       rows[i].value, rows[i].value, 5000000000LL, (size_t)7, 10U, 0.5);
                snprintf(expected, sizeof expected,
                         "Z level=info prog=rollcall msg=\"said \\\"so\\\"\" n=-5 q=%s b=%s "
                         "big=5000000000 size=7 hex=0a half=0.5%%\n",
                         rows[i].quoted, rows[i].bare);
                assert_string_equal(strchr(line, 'Z'), expected);
                /* milliseconds, always */
                assert_int_equal(strchr(line, 'Z') - line, sizeof "ts=2026-11-28T09:00:00.000" - 1);
                assert_int_equal(line[sizeof "ts=2026-11-28T09:00:00" - 1], '.');
        }
}

static void a_lasting_trouble_is_logged_once_a_minute(void **state)
{
        (void)state;
        struct trouble t = { 0 };
        struct err away = ERR_INIT, other = ERR_INIT;
        err_set(&away, ERR_RETRY, "", "the database is unavailable: %0300d", 1);
        err_set(&other, ERR_RETRY, "", "the broker is unavailable");
        assert_false(trouble_is_over(&t));
        assert_true(trouble_is_news(&t, &away, 1000));
        assert_false(trouble_is_news(&t, &away, 60999));
        assert_true(trouble_is_news(&t, &away, 61000));
        assert_true(trouble_is_news(&t, &other, 61001));
        assert_true(trouble_is_over(&t));
        assert_false(trouble_is_over(&t));
        assert_true(trouble_is_news(&t, &other, 61002));
}

static void long_lines_are_cut(void **state)
{
        (void)state;
        char line[4096], text[3001];
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        for (size_t cut = 1900; cut < 2100; cut++) {
                text[cut] = '\0';
                LOGGED(line, "m", "q=" LOG_Q " end=%d", text, 1);
                size_t len = strlen(line);
                assert_true(len <= 2048 && line[len - 1] == '\n');
                assert_true(strstr(line, "x\" end=1\n") || strstr(line, "x…\" cut=true\n") ||
                            strstr(line, "x\" cut=true\n"));
                LOGGED(line, "m", "b=%s\x20y", text);
                text[cut] = 'x';
                assert_true(strchr(line, '\n') == line + strlen(line) - 1);
        }
        memset(text, '"', sizeof text - 1);
        LOGGED(line, "m", "b=%s", text);
        assert_true(strstr(line, "\" cut=true\n") && !strstr(line, "\\…"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(buf_keeps_its_maximum),
                cmocka_unit_test(buf_grows),
                cmocka_unit_test(spans),
                cmocka_unit_test(arena_keeps_its_maximum),
                cmocka_unit_test(arena_large_and_copies),
                cmocka_unit_test(uuids),
                cmocka_unit_test(instants),
                cmocka_unit_test(days),
                cmocka_unit_test(errors),
                cmocka_unit_test(utf8),
                cmocka_unit_test(spans_have_an_order),
                cmocka_unit_test(texts_are_cut_between_characters),
                cmocka_unit_test(hexadecimal),
                cmocka_unit_test(the_order_of_ids_does_not_change_their_digest),
                cmocka_unit_test(files_are_written_whole),
                cmocka_unit_test(logs),
                cmocka_unit_test(a_lasting_trouble_is_logged_once_a_minute),
                cmocka_unit_test(long_lines_are_cut),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
