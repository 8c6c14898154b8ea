/* SPDX-License-Identifier: Apache-2.0 */
/* Findings of `rollcall check`, as lines or as JSON. */
#include "finding.h"

#include <stdarg.h>
#include <string.h>

static void add_finding(struct check *k, const char *status, const char *what, const char *where,
                        const char *fmt, va_list ap)
{
        char text[1200];
        vsnprintf(text, sizeof text, fmt, ap);
        if (k->findings) {
                json_array_append_new(k->findings,
                                      json_pack("{s:s, s:s, s:s, s:s}", "status", status, "what",
                                                what, "where", where, "text", text));
                return;
        }
        printf("%s%s%s: %s%s", word_colored(k->cli, status), strlen(status) < 4 ? "   " : " ", what,
               where, *where ? ": " : "");
        print_clean(stdout, text);
        putchar('\n');
        fflush(stdout);
}

void check_ok(struct check *k, const char *what, const char *where, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        add_finding(k, "ok", what, where, fmt, ap);
        va_end(ap);
        k->passed++;
}

void check_note(struct check *k, const char *what, const char *where, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        add_finding(k, "note", what, where, fmt, ap);
        va_end(ap);
}

void check_fail(struct check *k, const char *what, const char *where, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        add_finding(k, "FAIL", what, where, fmt, ap);
        va_end(ap);
        k->failed++;
}
