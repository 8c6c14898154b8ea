/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"
#include "report/width.h"
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char lifecycle[] =
        "{\"generated_at\":\"2026-11-21T08:00:00Z\",\"summary\":{\"total_active_users\":3,\"status_"
        "breakdown\":{\"active\":2,\"expiring_soon\":1}},"
        "\"expiration_analysis\":{\"expired_users\":0,\"detail\":[{\"username\":\"jo\\u00e3o\","
        "\"full_name\":\"Jo\\u00e3o Souza\",\"days_left\":7},"
        "{\"username\":\"li\",\"full_name\":\"\\u674e\\u5c0f\\u9f99\",\"days_left\":30,\"note\":"
        "null}]},"
        "\"roles\":[],\"thresholds\":[30,14,7],\"rate\":99.95,\"ok\":true}";

static void render(const char *json, enum report_format f, struct buf *out)
{
        struct err e = ERR_INIT;
        buf_init(out, 1 << 20);
        if (report_render("User lifecycle", span_of(json), f, out, &e) < 0)
                fail_msg("%s", e.text);
}

static void expect(const char *json, enum report_format f, const char *text)
{
        BUF_CLEANUP struct buf out;
        render(json, f, &out);
        assert_string_equal(buf_str(&out), text);
}

static void test_table(void **state)
{
        (void)state;
        expect(lifecycle, REPORT_TABLE,
               "============================================================\n"
               "User lifecycle\n"
               "============================================================\n"
               "Generated at: 2026-11-21T08:00:00Z\n"
               "Thresholds: 30, 14, 7\n"
               "Rate: 99.95\n"
               "Ok: yes\n"
               "\n"
               "SUMMARY\n"
               "------------------------------\n"
               "Total active users: 3\n"
               "\n"
               "Status breakdown:\n"
               "  Active: 2\n"
               "  Expiring soon: 1\n"
               "\n"
               "EXPIRATION ANALYSIS\n"
               "------------------------------\n"
               "Expired users: 0\n"
               "\n"
               "Detail:\n"
               "  Username  Full name   Days left  Note\n"
               "  --------  ----------  ---------  ----\n"
               "  joão      João Souza          7  -\n"
               "  li        李小龙             30  -\n"
               "\n"
               "ROLES\n"
               "------------------------------\n"
               "(none)\n");
}

static void test_table_of_rows(void **state)
{
        (void)state;
        expect("[{\"user\":\"a\",\"n\":1},{\"user\":\"e\\u0301b\",\"n\":-20,\"more\":{\"x\":1}}]",
               REPORT_TABLE,
               "============================================================\n"
               "User lifecycle\n"
               "============================================================\n"
               "User    N  More\n"
               "----  ---  -------\n"
               "a       1  -\n"
               "e\xcc\x81"
               "b    -20  {\"x\":1}\n"
               "\n2 rows\n");
        /* What a name could do to a terminal. */
        expect("[{\"n\":\"a\\u001b[2Jb\\nc\\u202ed\"}]", REPORT_TABLE,
               "============================================================\n"
               "User lifecycle\n"
               "============================================================\n"
               "N\n----------\na [2Jb c d\n\n1 row\n");
}

static void test_csv(void **state)
{
        (void)state;
        expect(lifecycle, REPORT_CSV,
               "section,name,value\r\n"
               ",generated_at,2026-11-21T08:00:00Z\r\n"
               "summary,total_active_users,3\r\n"
               "summary.status_breakdown,active,2\r\n"
               "summary.status_breakdown,expiring_soon,1\r\n"
               "expiration_analysis,expired_users,0\r\n"
               ",thresholds,30; 14; 7\r\n"
               ",rate,99.95\r\n"
               ",ok,true\r\n"
               "\r\n"
               "expiration_analysis.detail\r\n"
               "username,full_name,days_left,note\r\n"
               "joão,João Souza,7,\r\n"
               "li,李小龙,30,\r\n"
               "\r\n"
               "roles\r\n");
        expect("[]", REPORT_CSV, "");
        expect("[{\"a\":\"x,y\",\"b\":\"say "
               "\\\"hi\\\"\",\"c\":\"two\\r\\nlines\"},{\"b\":null,\"d\":[1,{\"z\":2}]}]",
               REPORT_CSV,
               "a,b,c,d\r\n"
               "\"x,y\",\"say \"\"hi\"\"\",\"two\r\nlines\",\r\n"
               ",,,\"[1,{\"\"z\"\":2}]\"\r\n");
}

static void test_csv_formulas(void **state)
{
        (void)state;
        static const struct {
                const char *json, *cell;
        } cases[] = {
                { "\"=1+1\"", "\"'=1+1\"" },
                { "\"+cmd|' /C calc'!A0\"", "\"'+cmd|' /C calc'!A0\"" },
                { "\"-2+3\"", "\"'-2+3\"" },
                { "\"@SUM(A1)\"", "\"'@SUM(A1)\"" },
                { "\"\\t=1\"", "\"'\t=1\"" },
                { "\"\\r=1\"", "\"'\r=1\"" },
                { "\"\\uff1d1\"", "\"'＝1\"" },
                { "\"=HYPERLINK(\\\"x\\\")\"", "\"'=HYPERLINK(\"\"x\"\")\"" },
                { "\"-12.5\"", "-12.5" },
                { "-12.5", "-12.5" },
                { "\"+5\"", "+5" },
                { "\"-\"", "\"'-\"" },
                { "\"a=1\"", "a=1" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char json[200], text[200];
                snprintf(json, sizeof json, "[{\"v\":%s}]", cases[i].json);
                snprintf(text, sizeof text, "v\r\n%s\r\n", cases[i].cell);
                expect(json, REPORT_CSV, text);
        }
        expect("[{\"=k\":1}]", REPORT_CSV, "\"'=k\"\r\n1\r\n");
}

static void test_json(void **state)
{
        (void)state;
        expect("{\"z\":1,\"a\":{\"k\":\"\\u00e3\",\"l\":[]},\"m\":[0.1,-7,null,true]}", REPORT_JSON,
               "{\n  \"z\": 1,\n  \"a\": {\n    \"k\": \"ã\",\n    \"l\": []\n  },\n  \"m\": [\n   "
               " 0.1,\n    -7,\n    null,\n    true\n  ]\n}\n");
}

static void test_bad_documents(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "", "7", "{\"a\":", "[1,]", "{\"a\":\"\\ud800\"}", "\xff"
        };
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                struct err e = ERR_INIT;
                BUF_CLEANUP struct buf out;
                buf_init(&out, 1000);
                assert_int_equal(report_render("t", span_of(bad[i]), REPORT_CSV, &out, &e), -1);
                assert_int_equal(e.class, ERR_INPUT);
        }
        for (int f = REPORT_TABLE; f <= REPORT_CSV; f++) {
                struct err e = ERR_INIT;
                BUF_CLEANUP struct buf out;
                buf_init(&out, 100);
                assert_int_equal(
                        report_render("t", span_of(lifecycle), (enum report_format)f, &out, &e),
                        -1);
                assert_int_equal(e.class, ERR_INPUT);
        }
}

static void test_width(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                size_t width;
        } cases[] = {
                { "", 0 },     { "abc", 3 },       { "ação", 4 },      { "日本語", 6 },
                { "한국", 4 }, { "ｱｲｳ", 3 },       { "e\xcc\x81", 1 }, { "🙂", 2 },
                { "Ａ", 2 },   { "a\xff\xfe", 3 }, { "\xe6\x97", 2 },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
                assert_int_equal(display_width(cases[i].text, strlen(cases[i].text)),
                                 cases[i].width);
}

static void test_formats(void **state)
{
        (void)state;
        enum report_format f;
        assert_true(report_format_parse("CSV", &f));
        assert_int_equal(f, REPORT_CSV);
        assert_string_equal(report_format_name(REPORT_TABLE), "table");
        assert_false(report_format_parse("xml", &f));
}

/* ---- files ---- */

static char root[] = "/tmp/rollcall-report-XXXXXX";

static int make_root(void **state)
{
        (void)state;
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
        (void)state;
        char command[100];
        snprintf(command, sizeof command, "rm -rf '%s'", root);
        return system(command);
}

static void assert_content(const char *path, const char *text)
{
        char got[100] = "";
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        size_t n = fread(got, 1, sizeof got - 1, f);
        fclose(f);
        assert_int_equal(n, strlen(text));
        assert_string_equal(got, text);
}

static void test_save(void **state)
{
        (void)state;
        char folder[100], expected[200];
        struct err e = ERR_INIT;
        snprintf(folder, sizeof folder, "%s/reports/new/", root);
        char *path = NULL;
        assert_int_equal(report_save(folder, "2026/11/life.csv", span_of("one"), &path, &e), 0);
        snprintf(expected, sizeof expected, "%s2026/11/life.csv", folder);
        assert_string_equal(path, expected);
        assert_content(path, "one");
        assert_int_equal(report_save(folder, "2026/11/life.csv", span_of("second"), NULL, &e), 0);
        assert_content(path, "second");
        free(path);
        /* nothing but the file is left */
        snprintf(expected, sizeof expected, "test \"$(ls -A '%s2026/11')\" = life.csv", folder);
        assert_int_equal(system(expected), 0);
}

static void test_save_refuses(void **state)
{
        (void)state;
        static const char *const bad[] = { "",   "/etc/passwd", "../x",  "a/../../x", "a//b",
                                           "a/", ".",           "a/./b", ".." };
        struct err e = ERR_INIT;
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                assert_int_equal(report_save(root, bad[i], span_of("x"), NULL, &e), -1);
                assert_int_equal(e.class, ERR_INPUT);
        }
        /* A link inside the folder leads nowhere. */
        char link[100], outside[100];
        snprintf(link, sizeof link, "%s/link", root);
        snprintf(outside, sizeof outside, "%s/outside", root);
        assert_int_equal(mkdir(outside, 0700), 0);
        assert_int_equal(symlink(outside, link), 0);
        assert_int_equal(report_save(root, "link/x.csv", span_of("x"), NULL, &e), -1);
        assert_int_equal(e.class, ERR_INPUT);
        /* A link in the file's own place is replaced, not followed. */
        char victim[100], file_link[100];
        snprintf(victim, sizeof victim, "%s/victim", outside);
        snprintf(file_link, sizeof file_link, "%s/report.csv", root);
        assert_int_equal(report_save(root, "outside/victim", span_of("whole"), NULL, &e), 0);
        assert_int_equal(symlink(victim, file_link), 0);
        assert_int_equal(report_save(root, "report.csv", span_of("new"), NULL, &e), 0);
        assert_content(victim, "whole");
        assert_content(file_link, "new");
}

static void test_save_no_folder(void **state)
{
        (void)state;
        struct err e = ERR_INIT;
        assert_int_equal(report_save("/dev/full/x", "a", span_of("x"), NULL, &e), -1);
        assert_int_equal(e.class, ERR_INPUT);
        assert_non_null(strstr(e.text, "/dev/full/x"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_table_of_rows),
                cmocka_unit_test(test_csv),
                cmocka_unit_test(test_csv_formulas),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_bad_documents),
                cmocka_unit_test(test_width),
                cmocka_unit_test(test_formats),
                cmocka_unit_test(test_save),
                cmocka_unit_test(test_save_refuses),
                cmocka_unit_test(test_save_no_folder),
        };
        return cmocka_run_group_tests_name("report", tests, make_root, remove_root);
}
