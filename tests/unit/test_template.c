/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "template/template.h"

#include <stdio.h>
#include <string.h>

static struct template *parse(const char *text, enum template_escape escape)
{
        struct template *t = NULL;
        struct err e = ERR_INIT;
        if (template_parse("mail.txt", span_of(text), escape, &t, &e) < 0)
                fail_msg("%s", e.text);
        return t;
}

static struct span lookup(void *ctx, struct span name)
{
        static const struct {
                const char *name, *value;
        } rows[] = {
                { "name", "Ana <b>\"O'Neil\" & Co</b>" },
                { "city", "Lisboa" },
                { "empty", "" },
                { "no", "false" },
                { "n", "f" },
                { "yes", "t" },
                { "zero", "0" },
                { "user.e-mail_1", "a@b.example" },
                { "tag", "{{city}}" },
        };
        (void)ctx;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (span_is(name, rows[i].name))
                        return span_of(rows[i].value);
        return (struct span){ 0 };
}

struct row {
        const char *text, *expected;
};

static void check(const struct row *rows, size_t n, enum template_escape escape)
{
        for (size_t i = 0; i < n; i++) {
                struct template *t CLEANUP(template_cleanup) = parse(rows[i].text, escape);
                BUF_CLEANUP struct buf out;
                buf_init(&out, 4096);
                template_render(t, lookup, NULL, &out);
                assert_false(out.failed);
                print_message("%s\n", rows[i].text);
                assert_string_equal(buf_str(&out), rows[i].expected);
        }
}

static void renders(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "", "" },
                { "plain } {text} }}", "plain } {text} }}" },
                { "Dear {{name}}!", "Dear Ana <b>\"O'Neil\" & Co</b>!" },
                { "{{ city }}{{&city}}{{{ city }}}{{& city }}", "LisboaLisboaLisboaLisboa" },
                { "{{missing}}|{{empty}}|{{user.e-mail_1}}", "||a@b.example" },
                { "{{tag}}", "{{city}}" },
                { "a{{! a comment {{ with braces }}b", "ab" },
                { "{{#city}}in {{city}}{{/city}}{{^city}}nowhere{{/city}}", "in Lisboa" },
                { "{{#empty}}1{{/empty}}{{#no}}2{{/no}}{{#n}}3{{/n}}{{#missing}}4{{/"
                  "missing}}{{#yes}}5{{/yes}}{{#zero}}6{{/zero}}",
                  "56" },
                { "{{^empty}}1{{/empty}}{{^no}}2{{/no}}{{^n}}3{{/n}}{{^missing}}4{{/"
                  "missing}}{{^yes}}5{{/yes}}",
                  "1234" },
                { "{{#yes}}a{{#no}}b{{#yes}}c{{/yes}}{{/no}}d{{^no}}e{{/no}}{{/yes}}f", "adef" },
                { "{{#no}}a{{#yes}}b{{/yes}}c{{/no}}d", "d" },
                { "{{# yes }}x{{/ yes }}", "x" },
                { "{{\n city \n}}", "Lisboa" },
        };
        check(rows, ARRAY_LEN(rows), TEMPLATE_PLAIN);
}

static void escapes_html(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "<p>{{name}}</p>",
                  "<p>Ana &lt;b&gt;&quot;O&#39;Neil&quot; &amp; Co&lt;/b&gt;</p>" },
                { "{{{name}}}", "Ana <b>\"O'Neil\" & Co</b>" },
                { "{{&name}}", "Ana <b>\"O'Neil\" & Co</b>" },
                { "{{missing}}{{empty}}{{city}}", "Lisboa" },
        };
        check(rows, ARRAY_LEN(rows), TEMPLATE_HTML);
}

/* The specification's cases of sections, inverted sections and comments. */
static void standalone_tags_take_their_line(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "| This Is\n{{#yes}}\n|\n{{/yes}}\n| A Line", "| This Is\n|\n| A Line" },
                { "| This Is\n  {{#yes}}\n|\n  {{/yes}}  \n| A Line", "| This Is\n|\n| A Line" },
                { "|\r\n{{#yes}}\r\n{{/yes}}\r\n|", "|\r\n|" },
                { "  {{#yes}}\n#{{/yes}}\n/", "#\n/" },
                { "#{{#yes}}\n/\n  {{/yes}}", "#\n/\n" },
                { " | {{#yes}}\t|\t{{/yes}} | \n", " | \t|\t | \n" },
                { " {{#yes}}YES{{/yes}}\n {{#yes}}GOOD{{/yes}}\n", " YES\n GOOD\n" },
                { "1\n{{^no}}\n2\n{{/no}}\n3\n", "1\n2\n3\n" },
                { "Begin.\n  {{! Indented }}\nEnd.\n", "Begin.\nEnd.\n" },
                { "Begin.\n  {{!\n  Something\n  }}\nEnd.\n", "Begin.\nEnd.\n" },
                { "  12 {{! 34 }}\n", "  12 \n" },
                { "{{! alone }}", "" },
                { "!\n  {{! at the end }}", "!\n" },
                { "  {{city}}\n", "  Lisboa\n" }, /* a value stays where it is */
                { "{{#yes}}{{/yes}}\n{{#yes}} {{/yes}}x", "\n x" },
        };
        check(rows, ARRAY_LEN(rows), TEMPLATE_PLAIN);
}

static void refuses(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "a\n{{name", "mail.txt:2: tag is not closed: }} expected" },
                { "{{{name}}", "mail.txt:1: tag is not closed: }}} expected" },
                { "{{", "mail.txt:1: tag is not closed: }} expected" },
                { "{{}}",
                  "mail.txt:1: \"\" is not a name: letters, digits, '_', '.' and '-' expected" },
                { "x\n\n{{a b}}", "mail.txt:3: \"a b\" is not a name" },
                { "{{>partial}}", "mail.txt:1: \">partial\" is not a name" },
                { "{{=<% %>=}}", "mail.txt:1: \"=<% %>=\" is not a name" },
                { "{{#}}", "mail.txt:1: \"\" is not a name" },
                { "{{nam\xc3\xa9}}", "mail.txt:1: \"nam\xc3\xa9\" is not a name" },
                { "a\n{{#x}}\n{{#y}}\n{{/y}}\n", "mail.txt:2: section \"x\" is not closed" },
                { "{{/x}}", "mail.txt:1: {{/x}} closes a section that is not open" },
                { "{{#x}}\n{{#y}}\n{{/x}}\n{{/y}}",
                  "mail.txt:3: {{/x}} where {{/y}} was expected, open since line 2" },
                { "{{! a\nb }}\n{{bad name}}", "mail.txt:3: \"bad name\" is not a name" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct template *t = NULL;
                struct err e = ERR_INIT;
                assert_int_equal(
                        template_parse("mail.txt", span_of(rows[i].text), TEMPLATE_PLAIN, &t, &e),
                        -1);
                assert_null(t);
                assert_int_equal(e.class, ERR_FATAL);
                if (strncmp(e.text, rows[i].expected, strlen(rows[i].expected)) != 0)
                        fail_msg("%s: %s", rows[i].text, e.text);
        }
}

static int collect(void *ctx, struct span name, int line)
{
        buf_addf(ctx, "%.*s:%d ", SPAN_FMT(name), line);
        return span_is(name, "stop") ? 7 : 0;
}

static void tells_its_names(void **state)
{
        (void)state;
        struct template *t CLEANUP(template_cleanup) = parse(
                "a {{b}}\n{{! no }}\n{{#c}}\n{{b}} {{{d}}}\n{{/c}}\n{{^e}}{{stop}}{{/e}}{{later}}",
                TEMPLATE_HTML);
        BUF_CLEANUP struct buf out;
        buf_init(&out, 200);
        assert_int_equal(template_names(t, collect, &out), 7);
        assert_string_equal(buf_str(&out), "b:1 c:3 d:4 e:6 stop:6 ");
}

static void keeps_its_own_copy(void **state)
{
        (void)state;
        char text[] = "Hi {{city}}";
        struct template *t CLEANUP(template_cleanup) = parse(text, TEMPLATE_PLAIN);
        memset(text, 'x', sizeof text - 1);
        BUF_CLEANUP struct buf out;
        buf_init(&out, 100);
        template_render(t, lookup, NULL, &out);
        assert_string_equal(buf_str(&out), "Hi Lisboa");
        buf_deinit(&out);
        buf_init(&out, 5); /* the maximum of the buffer is respected */
        template_render(t, lookup, NULL, &out);
        assert_true(out.failed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(renders),
                cmocka_unit_test(escapes_html),
                cmocka_unit_test(standalone_tags_take_their_line),
                cmocka_unit_test(refuses),
                cmocka_unit_test(tells_its_names),
                cmocka_unit_test(keeps_its_own_copy),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
