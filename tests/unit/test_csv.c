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
                { "\xEF\xBB\xBF" "a,b\n", "a|b|\n" },
                { "\xEF\xBB\xBF\"a\",b\n", "a|b|\n" },
                { "\xEF\xBC\x97=c,b\n", "\xEF\xBC\x97=c|b|\n" }, /* a full-width digit begins like a byte order mark */
                { "\xEF", "\xEF|\n" },
                { "\xEF\r\nb", "\xEF|\nb|\n" },
                { "\xEF\xBB,b\n", "\xEF\xBB|b|\n" },
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

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(records) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
