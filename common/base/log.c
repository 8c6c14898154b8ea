/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of key=value: every value is escaped here, and nowhere else. */
#include "base/log.h"

#include "base/instant.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = { "debug", "info", "warn", "error" };

/* The log is the one process-wide sink; both values are set before threads start or are atomic. */
static const char *log_program = "rollcall";
static atomic_int log_min = LOG_LEVEL_INFO;

void log_init(const char *program, enum log_level level)
{
        log_program = program;
        log_set_level(level);
}

void log_set_level(enum log_level level)
{
        atomic_store_explicit(&log_min, (int)level, memory_order_relaxed);
}

bool log_level_parse(const char *name, enum log_level *ret)
{
        for (int i = 0; i < (int)ARRAY_LEN(level_names); i++)
                if (strcmp(name, level_names[i]) == 0) {
                        *ret = (enum log_level)i;
                        return true;
                }
        return false;
}

/* ---- one line ---- */

enum { LINE_MAX_BYTES = 2048, TAIL = 16 }; /* TAIL: room for what closes a line that was cut */

struct line {
        char text[LINE_MAX_BYTES];
        size_t len;
        size_t field; /* where the last key begins */
        bool quoted;  /* within a value in quotes */
        bool cut;
};

static void put(struct line *l, const char *s, size_t len)
{
        l->cut = l->cut || l->len + len > sizeof l->text - TAIL;
        if (l->cut)
                return;
        memcpy(l->text + l->len, s, len);
        l->len += len;
}

/* Bytes of the well-formed UTF-8 character at `p` that may stand in a line as it is; 0: it is to be
 * escaped. */
static size_t plain(const unsigned char *p, size_t left)
{
        if (*p < 0x80)
                return *p >= ' ' && *p != 0x7f && *p != '"' && *p != '\\';
        size_t len = utf8_length((const char *)p, left);
        if (len == 0)
                return 0;
        uint32_t code = *p & (0x7fU >> len);
        for (size_t i = 1; i < len; i++)
                code = code << 6 | (p[i] & 0x3fU);
        bool control = code < 0xa0 || code == 0x2028 || code == 0x2029 ||
                       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
        return control ? 0 : len;
}

/* What could end the value or the line, or hide what follows, becomes a backslash and what it is.
 */
static void put_escaped(struct line *l, const char *s, size_t len)
{
        static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
        for (size_t i = 0, n; i < len; i += n ? n : 1) {
                char escape[8];
                const char *named = s[i] ? strchr(from, s[i]) : NULL;
                n = plain((const unsigned char *)s + i, len - i);
                if (n) {
                        put(l, s + i, n);
                        continue;
                }
                if (named)
                        snprintf(escape, sizeof escape, "\\%c", to[named - from]);
                else
                        snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)s[i]);
                put(l, escape, strlen(escape));
        }
}

/* A value that stands without quotes gets them when it would not be read as one. */
static void put_value(struct line *l, const char *s)
{
        size_t len = strlen(s);
        bool bare = l->quoted || len > 0;
        for (size_t i = 0, n; bare && !l->quoted && i < len; i += n) {
                n = strchr(" =", s[i]) ? 0 : plain((const unsigned char *)s + i, len - i);
                bare = n > 0;
        }
        if (!bare)
                put(l, "\"", 1);
        l->quoted = l->quoted || !bare;
        put_escaped(l, s, len);
        if (bare || l->cut)
                return;
        put(l, "\"", 1);
        l->quoted = l->cut; /* no room for the quote: the line's end brings it */
}

/* One conversion of printf's, "%" to its letter; what log lines use of them. */
static const char *put_conversion(struct line *l, const char *f, va_list *ap)
{
        char spec[16], number[64] = "";
        size_t len = 1 + strspn(f + 1, "-+ #0123456789.lzj");
        const char letter = f[len];
        if (len + 2 > sizeof spec || !letter)
                return f + 1;
        snprintf(spec, sizeof spec, "%.*s", (int)len + 1, f);
        if (letter == 's') {
                const char *s = va_arg(*ap, const char *);
                put_value(l, s ? s : "");
        } else if (letter == '%') {
                put(l, "%", 1);
                /* NOLINTNEXTLINE(bugprone-branch-clone): each takes an argument of another type. */
        } else if (letter == 'f' || letter == 'g') {
                snprintf(number, sizeof number, spec, va_arg(*ap, double));
        } else if (strstr(spec, "ll") || strchr(spec, 'j')) {
                snprintf(number, sizeof number, spec, va_arg(*ap, long long));
        } else if (strchr(spec, 'l') || strchr(spec, 'z')) {
                snprintf(number, sizeof number, spec, va_arg(*ap, long));
        } else {
                snprintf(number, sizeof number, spec, va_arg(*ap, int));
        }
        put(l, number, strlen(number));
        return f + len + 1;
}

static void put_fields(struct line *l, const char *f, va_list *ap)
{
        while (*f && !l->cut) {
                if (*f == '%') {
                        f = put_conversion(l, f, ap);
                        continue;
                }
                put(l, f, 1);
                l->quoted ^= *f == '"' && !l->cut;
                if (*f++ == ' ' && !l->quoted)
                        l->field = l->len;
        }
}

/* Always as many digits, so that lines sort as their times do. */
static void put_time(struct line *l)
{
        char text[INSTANT_TEXT_MAX], ms[8];
        instant now = instant_now();
        instant_format(now / INSTANT_SECOND * INSTANT_SECOND, text);
        snprintf(ms, sizeof ms, ".%03dZ", (int)(now % INSTANT_SECOND / INSTANT_MS));
        put(l, "ts=", 3);
        put(l, text, strlen(text) - 1);
        put(l, ms, strlen(ms));
}

void log_write(enum log_level level, const char *msg, const char *fields, ...)
{
        if ((int)level < atomic_load_explicit(&log_min, memory_order_relaxed))
                return;
        struct line l = { .len = 0 };
        char head[80];
        put_time(&l);
        snprintf(head, sizeof head, " level=%s prog=%s msg=\"", level_names[level], log_program);
        put(&l, head, strlen(head));
        put_escaped(&l, msg, strlen(msg));
        put(&l, "\" ", 2);
        l.field = l.len;
        va_list ap;
        va_start(ap, fields);
        put_fields(&l, fields, &ap);
        va_end(ap);
        if (l.cut && !l.quoted)
                l.len = l.field;
        while (l.len && l.text[l.len - 1] == ' ')
                l.len--;
        const char *end = l.cut ? l.quoted ? "…\" cut=true\n" : " cut=true\n" : "\n";
        memcpy(l.text + l.len, end, strlen(end));
        ssize_t ignored = write(STDERR_FILENO, l.text, l.len + strlen(end));
        (void)ignored;
}
