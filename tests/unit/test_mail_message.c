/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mail/address.h"
#include "mail/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mail sample(void)
{
        return (struct mail){
                .from_name = SPAN_LIT("Accounts"),
                .from_address = SPAN_LIT("accounts@example.org"),
                .to_name = SPAN_LIT("Ana Silva"),
                .to_address = SPAN_LIT("ana@example.net"),
                .subject = SPAN_LIT("Your account"),
                .text = SPAN_LIT("Hello\nAna"),
                .message_id = SPAN_LIT("018f@example.org"),
                .date = INT64_C(1795251600) * INSTANT_SECOND,
        };
}

static char *render(const struct mail *m)
{
        BUF_CLEANUP struct buf out;
        buf_init(&out, 1 << 20);
        struct err e = ERR_INIT;
        if (mail_render(m, &out, &e) < 0)
                fail_msg("%s", e.text);
        return strdup(buf_str(&out));
}

static void check_golden(const struct mail *m, const char *expected)
{
        char *text CLEANUP(cleanup_free) = render(m);
        assert_string_equal(text, expected);
}

static void text_only(void **state)
{
        (void)state;
        struct mail m = sample();
        check_golden(&m, "Date: Sat, 21 Nov 2026 09:00:00 +0000\r\n"
                         "From: Accounts <accounts@example.org>\r\n"
                         "To: Ana Silva <ana@example.net>\r\n"
                         "Subject: Your account\r\n"
                         "Message-ID: <018f@example.org>\r\n"
                         "Auto-Submitted: auto-generated\r\n"
                         "MIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=UTF-8\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n"
                         "\r\n"
                         "Hello\r\nAna\r\n");
}

static void with_everything(void **state)
{
        (void)state;
        struct mail m = sample();
        m.from_name = span_of("Accounts, \"The\" Desk");
        m.to_name = span_of("José Gonçalves");
        m.reply_to = span_of("help@example.org");
        m.subject = span_of("Sua conta expira amanhã");
        m.text = span_of("Olá = você \r\n.\r\nfim\t");
        m.html = span_of("<p>Olá</p>\n");
        m.list_id = span_of("lifecycle.example.org");
        m.list_unsubscribe = span_of("https://example.org/u?id=1");
        check_golden(&m, "Date: Sat, 21 Nov 2026 09:00:00 +0000\r\n"
                         "From: \"Accounts, \\\"The\\\" Desk\" <accounts@example.org>\r\n"
                         "Reply-To: help@example.org\r\n"
                         "To: =?UTF-8?Q?Jos=C3=A9_Gon=C3=A7alves?= <ana@example.net>\r\n"
                         "Subject: =?UTF-8?Q?Sua_conta_expira_amanh=C3=A3?=\r\n"
                         "Message-ID: <018f@example.org>\r\n"
                         "List-Id: <lifecycle.example.org>\r\n"
                         "List-Unsubscribe: <https://example.org/u?id=1>\r\n"
                         "Auto-Submitted: auto-generated\r\n"
                         "MIME-Version: 1.0\r\n"
                         "Content-Type: multipart/alternative;\r\n"
                         " boundary=\"=_99f8661a-19a9-5c3c-90d7-ef5574f70392\"\r\n"
                         "\r\n"
                         "--=_99f8661a-19a9-5c3c-90d7-ef5574f70392\r\n"
                         "Content-Type: text/plain; charset=UTF-8\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n"
                         "\r\n"
                         "Ol=C3=A1 =3D voc=C3=AA=20\r\n.\r\nfim=09\r\n"
                         "--=_99f8661a-19a9-5c3c-90d7-ef5574f70392\r\n"
                         "Content-Type: text/html; charset=UTF-8\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n"
                         "\r\n"
                         "<p>Ol=C3=A1</p>\r\n"
                         "\r\n"
                         "--=_99f8661a-19a9-5c3c-90d7-ef5574f70392--\r\n");
}

static void dates(void **state)
{
        (void)state;
        static const struct {
                const char *at, *date;
        } rows[] = {
                { "1970-01-01T00:00:00Z", "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n" },
                { "1969-12-31T23:59:59.5Z", "Date: Wed, 31 Dec 1969 23:59:59 +0000\r\n" },
                { "2028-02-29T12:34:56.999999Z", "Date: Tue, 29 Feb 2028 12:34:56 +0000\r\n" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct mail m = sample();
                assert_true(instant_parse(rows[i].at, strlen(rows[i].at), &m.date));
                char *text CLEANUP(cleanup_free) = render(&m);
                assert_memory_equal(text, rows[i].date, strlen(rows[i].date));
        }
}

static void addresses(void **state)
{
        (void)state;
        static const char *const good[] = { "a@b", "a.b+c_d@sub.example.org",
                                            "o'neil!#$%&*/=?^`{|}~-@x-y.example", "1@1.2",
                                            "x@xn--bcher-kva.example" };
        static const char *const bad[] = {
                "",
                "@",
                "a",
                "a@",
                "@b",
                "a b@c",
                "a@b c",
                ".a@b",
                "a.@b",
                "a..b@c",
                "a@.b",
                "a@b.",
                "a@b..c",
                "a@-b",
                "a@b-",
                "a@b-.c",
                "\"a\"@b",
                "a@[127.0.0.1]",
                "a@b@c",
                "a@b_c",
                "<a@b>",
                "a@b>",
                "a,b@c",
                "a@b,c@d",
                "a@b\r\nRCPT TO:<x@y>",
                "a\n@b",
                "a@b\n",
                "jos\xc3\xa9@b",
                "a@b\xc3\xa9",
                "a@b\x7f",
                "a;@b",
                "a:@b",
                "a\\@b",
        };
        for (size_t i = 0; i < ARRAY_LEN(good); i++)
                if (mail_check_address(span_of(good[i]), NULL) < 0)
                        fail_msg("refused %s", good[i]);
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                struct err e = ERR_INIT;
                if (mail_check_address(span_of(bad[i]), &e) == 0)
                        fail_msg("took %s", bad[i]);
                assert_int_equal(e.class, ERR_INPUT);
                if (strlen(bad[i]) > 3)
                        assert_null(strstr(e.text, bad[i]));
        }
        assert_int_equal(mail_check_address((struct span){ "a\0@b", 4 }, NULL), -1);
        assert_int_equal(mail_check_address((struct span){ 0 }, NULL), -1);
        static const struct {
                int local, label, labels;
                bool good;
        } sizes[] = { { 64, 63, 1, true }, { 65, 10, 1, false }, { 10, 64, 1, false },
                      { 61, 63, 3, true }, { 62, 63, 3, true },  { 63, 63, 3, false } };
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                char text[400];
                int n = snprintf(text, sizeof text, "%0*d@", sizes[i].local, 0);
                for (int k = 0; k < sizes[i].labels; k++)
                        n += snprintf(text + n, sizeof text - (size_t)n, "%s%0*d", k ? "." : "",
                                      sizes[i].label, 0);
                assert_int_equal(mail_check_address(span_of(text), NULL), sizes[i].good ? 0 : -1);
        }
}

static void refuses_injection(void **state)
{
        (void)state;
        static const struct {
                const char *value;
                size_t len;
        } bad[] = { { "x\r\nBcc: y@z", 10 }, { "x\ny", 3 },     { "x\ry", 3 },
                    { "x\0y", 3 },           { "x\ty", 3 },     { "x\x7fy", 3 },
                    { "x\xc2\x85y", 4 },     { "x\xffy", 3 },   { "\xc3", 1 },
                    { "\xed\xa0\x80", 3 },   { "\xc0\xaf", 2 }, { "\xf4\x90\x80\x80", 4 } };
        static const size_t fields[] = {
                offsetof(struct mail, from_name),        offsetof(struct mail, from_address),
                offsetof(struct mail, to_name),          offsetof(struct mail, to_address),
                offsetof(struct mail, reply_to),         offsetof(struct mail, subject),
                offsetof(struct mail, message_id),       offsetof(struct mail, list_id),
                offsetof(struct mail, list_unsubscribe),
        };
        for (size_t f = 0; f < ARRAY_LEN(fields); f++)
                for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                        struct mail m = sample();
                        struct span value = { bad[i].value, bad[i].len };
                        memcpy((char *)&m + fields[f], &value, sizeof value);
                        BUF_CLEANUP struct buf out;
                        buf_init(&out, 1 << 16);
                        struct err e = ERR_INIT;
                        assert_int_equal(mail_render(&m, &out, &e), -1);
                        assert_int_equal(e.class, ERR_INPUT);
                        assert_int_equal(out.len, 0);
                }
        static const char *const ids[] = { "", "noat", "@b", "a@", "<a@b>", "a @b" };
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
                struct mail m = sample();
                m.message_id = span_of(ids[i]);
                BUF_CLEANUP struct buf out;
                buf_init(&out, 1 << 16);
                assert_int_equal(mail_render(&m, &out, NULL), -1);
        }
}

static void respects_the_maximum(void **state)
{
        (void)state;
        struct mail m = sample();
        m.subject = span_of("ççççççççççççççççççççççççççççççççççççççççççççççççç");
        for (size_t max = 0; max < 600; max += 7) {
                BUF_CLEANUP struct buf out;
                buf_init(&out, max);
                struct err e = ERR_INIT;
                if (mail_render(&m, &out, &e) == 0)
                        continue;
                assert_true(max < 500);
                assert_int_equal(e.class, ERR_INPUT);
                assert_int_equal(out.len, 0);
        }
}

static int hex(char c)
{
        return c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* Decodes quoted-printable strictly, "_" as a blank when `word`. */
static void decode_q(const char *s, size_t len, bool word, struct buf *out)
{
        for (size_t i = 0; i < len; i++) {
                if (s[i] == '=' && !word && s[i + 1] == '\r') {
                        i += 2;
                } else if (s[i] == '=') {
                        assert_true(strchr("0123456789ABCDEF", s[i + 1]) &&
                                    strchr("0123456789ABCDEF", s[i + 2]));
                        buf_addc(out, (char)(hex(s[i + 1]) * 16 + hex(s[i + 2])));
                        i += 2;
                } else {
                        buf_addc(out, word && s[i] == '_' ? ' ' : s[i]);
                }
        }
}

static void decode_b(const char *s, size_t len, struct buf *out)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        assert_int_equal(len % 4, 0);
        for (size_t i = 0; i < len; i += 4) {
                unsigned v = 0;
                for (size_t k = 0; k < 4; k++)
                        v = v << 6 |
                            (s[i + k] == '=' ? 0 : (unsigned)(strchr(digits, s[i + k]) - digits));
                char bytes[] = { (char)(v >> 16), (char)(v >> 8), (char)v };
                buf_add(out, bytes, s[i + 2] == '=' ? 1 : s[i + 3] == '=' ? 2 : 3);
        }
}

static bool is_utf8_border(const struct buf *b)
{
        size_t i = b->len, back = 0;
        while (i > 0 && ((unsigned char)b->data[i - 1] & 0xc0) == 0x80) {
                i--;
                back++;
        }
        unsigned char lead = i ? (unsigned char)b->data[i - 1] : 0;
        return back == (lead >= 0xf0 ? 3U : lead >= 0xe0 ? 2U : lead >= 0xc0 ? 1U : 0U);
}

/* The value of the first header of that name: unfolded, encoded words decoded, blanks between two
 * of them dropped. */
static void decode_header(const char *message, const char *name, struct buf *out)
{
        const char *p = strstr(message, name);
        assert_non_null(p);
        p += strlen(name);
        bool after_word = false;
        while (strncmp(p, "\r\n", 2) != 0 || p[2] == ' ') {
                size_t blanks = strspn(p, " \r\n");
                const char *word = p + blanks;
                if (strncmp(word, "=?UTF-8?", 8) == 0) {
                        const char *end = strstr(word + 10, "?=");
                        assert_non_null(end);
                        assert_true(end + 2 - word <= 75);
                        if (!after_word)
                                buf_add(out, p, blanks);
                        if (word[8] == 'Q')
                                decode_q(word + 10, (size_t)(end - word - 10), true, out);
                        else
                                decode_b(word + 10, (size_t)(end - word - 10), out);
                        assert_true(is_utf8_border(out));
                        p = end + 2;
                        after_word = true;
                } else if (strncmp(p, "\r\n", 2) == 0) {
                        p += 2;
                } else {
                        buf_addc(out, *p++);
                        after_word = false;
                }
        }
}

static void check_lines(const char *message)
{
        for (const char *p = message, *end; *p; p = end + 2) {
                end = strstr(p, "\r\n");
                assert_non_null(end);
                assert_null(memchr(p, '\n', (size_t)(end - p)));
                assert_null(memchr(p, '\r', (size_t)(end - p)));
                assert_true(end - p <= 76);
                /* no line of blanks only */
                assert_false(end > p && strspn(p, " ") == (size_t)(end - p));
                for (const char *c = p; c < end; c++)
                        assert_true((*c >= 0x20 && *c < 0x7f) || *c == '\t');
                assert_false(end > p && (end[-1] == ' ' || end[-1] == '\t'));
        }
}

static size_t random_text(unsigned *seed, char *text, size_t max, bool body)
{
        static const char *const pieces[] = { "a",  "Z",  "9",  " ",    " ",     "=", "?",   "_",
                                              "=?", "?=", ".",  "\"",   "\\",    "é", "ã",   "ß",
                                              "€",  "語", "🙂", "word", "From ", "-", "--=_" };
        static const char *const body_pieces[] = {
                "\r\n",  "\n",   "\r\n.\r\n", "\t",
                " \r\n", "\x01", "\xff",      "0123456789012345678901234567890123456789"
        };
        size_t len = 0, count = (size_t)rand_r(seed) % (body ? 300 : 60);
        bool ascii = rand_r(seed) % 3 == 0;
        for (size_t i = 0; i < count; i++) {
                size_t k = (size_t)rand_r(seed);
                const char *piece = body && k % 4 == 0 ? body_pieces[k / 4 % ARRAY_LEN(body_pieces)]
                                                       : pieces[k / 4 % ARRAY_LEN(pieces)];
                if ((ascii && (unsigned char)*piece >= 0x80) || len + strlen(piece) >= max)
                        continue;
                len += (size_t)snprintf(text + len, max - len, "%s", piece);
        }
        text[len] = '\0';
        return len;
}

static void check_decoded(const struct mail *m, const char *message)
{
        BUF_CLEANUP struct buf subject, body;
        buf_init(&subject, 1 << 16);
        buf_init(&body, 1 << 16);
        decode_header(message, "\r\nSubject: ", &subject);
        assert_int_equal(subject.len, m->subject.len);
        assert_memory_equal(buf_str(&subject), m->subject.ptr, subject.len);
        const char *start = strstr(message, "quoted-printable\r\n\r\n") +
                            strlen("quoted-printable\r\n\r\n");
        const char *end = m->html.ptr ? strstr(start, "\r\n--=_") : start + strlen(start);
        decode_q(start, (size_t)(end - start), false, &body);
        BUF_CLEANUP struct buf expected;
        buf_init(&expected, 1 << 16);
        for (size_t i = 0; i < m->text.len; i++) {
                char c = m->text.ptr[i];
                if (c == '\n' && (i == 0 || m->text.ptr[i - 1] != '\r'))
                        buf_addc(&expected, '\r');
                buf_addc(&expected, c);
        }
        if (!m->html.ptr && expected.len && expected.data[expected.len - 1] != '\n')
                buf_adds(&expected, "\r\n");
        assert_string_equal(buf_str(&body), buf_str(&expected));
}

static void decodes_to_what_was_given(void **state)
{
        (void)state;
        unsigned seed = 7;
        char name[512], subject[1024], text[16384], html[16384];
        for (int round = 0; round < 3000; round++) {
                struct mail m = sample();
                m.to_name = (struct span){ name, random_text(&seed, name, sizeof name, false) };
                m.subject = (struct span){ subject,
                                           random_text(&seed, subject, sizeof subject, false) };
                m.text = (struct span){ text, random_text(&seed, text, sizeof text, true) };
                if (round % 2)
                        m.html = (struct span){ html, random_text(&seed, html, sizeof html, true) };
                char *message CLEANUP(cleanup_free) = render(&m);
                if (m.subject.len)
                        check_lines(message);
                check_decoded(&m, message);
                BUF_CLEANUP struct buf to;
                buf_init(&to, 4096);
                decode_header(message, "\r\nTo: ", &to);
                const char *address = strstr(buf_str(&to), "ana@example.net");
                assert_non_null(address);
                if (m.to_name.len && to.data[0] != '"') {
                        assert_int_equal((size_t)(address - to.data), m.to_name.len + 2);
                        assert_memory_equal(to.data, m.to_name.ptr, m.to_name.len);
                }
        }
}

static void boundary_depends_on_the_id_only(void **state)
{
        (void)state;
        struct mail a = sample(), b = sample();
        a.html = b.html = span_of("x");
        b.text = span_of("other");
        char *one CLEANUP(cleanup_free) = render(&a), *two CLEANUP(cleanup_free) = render(&b);
        b.message_id = span_of("0190@example.org");
        char *three CLEANUP(cleanup_free) = render(&b);
        const char *x = strstr(one, "boundary="), *y = strstr(two, "boundary="),
                   *z = strstr(three, "boundary=");
        assert_memory_equal(x, y, 50);
        assert_memory_not_equal(x, z, 50);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_only),
                cmocka_unit_test(with_everything),
                cmocka_unit_test(dates),
                cmocka_unit_test(addresses),
                cmocka_unit_test(refuses_injection),
                cmocka_unit_test(respects_the_maximum),
                cmocka_unit_test(decodes_to_what_was_given),
                cmocka_unit_test(boundary_depends_on_the_id_only),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
