/* SPDX-License-Identifier: Apache-2.0 */
#include "../../producer/cli/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* Fields end with '|', records with '\n'; a record that is malformed stands as "!". */
static void read_all(const char *text, char *out, size_t size)
{
        FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
        assert_non_null(f);
        struct csv *c CLEANUP(csv_cleanup) = csv_new(f);
        assert_non_null(c);
        const char *const *fields;
        struct err e = ERR_INIT;
        size_t n, at = 0;
        for (int rc; (rc = csv_next(c, &fields, &n, &e)) != 0;) {
                for (size_t i = 0; rc > 0 && i < n; i++)
                        at += (size_t)snprintf(out + at, size - at, "%s|", fields[i]);
                at += (size_t)snprintf(out + at, size - at, "%s\n", rc < 0 ? "!" : "");
                assert_true(at < size);
        }
        out[at] = '\0';
        fclose(f);
}

static void records(void **state)
{
        (void)state;
        static const struct {
                const char *text, *records;
        } rows[] = {
                { "a,b\n1,2\n", "a|b|\n1|2|\n" },
                { "a,b\r\n\r\n1,\r\n", "a|b|\n1||\n" },
                { "a\rb,c", "a\rb|c|\n" },
                { "\r", "\r|\n" },
                { "\"a,\n\"\"b\"\"\",c", "a,\n\"b\"|c|\n" },
                { "\xEF\xBB\xBF"
                  "a,b\n",
                  "a|b|\n" },
                { "\xEF\xBB\xBF\"a\",b\n", "a|b|\n" },
                /* a full-width digit begins like a byte order mark */
                { "\xEF\xBC\x97=c,b\n", "\xEF\xBC\x97=c|b|\n" },
                { "\xEF", "!\n" }, /* not UTF-8 */
                { "\xEF\r\nb", "!\nb|\n" },
                { "\xEF\xBB,b\n1,2\n", "!\n1|2|\n" },
                { "a,b\n1\x01,2\n3,4\n", "a|b|\n!\n3|4|\n" },
                { "\"a\x7f\",b\n3,4\n", "!\n3|4|\n" },
                { "\"a\tb\",c\n", "a\tb|c|\n" },
                { "a\"b,c\nd\n", "!\nd|\n" },
                { "\"a\"b,c\nd\n", "!\nd|\n" },
                { "\"a", "!\n" },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char out[256];
                read_all(rows[i].text, out, sizeof out);
                assert_string_equal(out, rows[i].records);
        }
}

/* A NUL would end a field early. Each fault says where it stands. */
static void faults_have_a_place(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                size_t len;
                const char *said;
        } rows[] = {
#define ROW(text, said) { text, sizeof text - 1, said }
                ROW("s,d\n1\0"
                    "34,10\n",
                    "a NUL character (0x00) at line 2, column 2"),
                ROW("s,d\n1,10\n\"a\nb\0\",3\n", "a NUL character (0x00) at line 4, column 2"),
                ROW("s,d\n1,\x1b[2J\n", "a control character (0x1b) at line 2, column 3"),
                ROW("s,d\n12,a\xff\n", "(0xff) that is not UTF-8 at line 2, column 5"),
                ROW("s,d\n\"a\n\xe9\",1\n", "(0xe9) that is not UTF-8 at line 3, column 1"),
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                FILE *f = fmemopen((void *)(uintptr_t)rows[i].text, rows[i].len, "r");
                struct csv *c CLEANUP(csv_cleanup) = csv_new(f);
                const char *const *fields;
                struct err e = ERR_INIT;
                size_t n;
                int rc;
                while ((rc = csv_next(c, &fields, &n, &e)) > 0)
                        ;
                if (rc == 0 || !strstr(e.text, rows[i].said))
                        fail_msg("row %zu: %s", i, e.text);
                fclose(f);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(records),
                                            cmocka_unit_test(faults_have_a_place) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
