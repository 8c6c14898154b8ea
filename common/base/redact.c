/* SPDX-License-Identifier: Apache-2.0 */
/* Finds secrets in connection texts, so that everything that prints one can leave them out. */
#include "base/redact.h"

#include <string.h>

bool redact_names_secret(const char *name, size_t len)
{
        static const char *const words[] = { "password",           "passwd",  "secret", "jaas",
                                             "oauthbearer.config", "key.pem", "token" };
        char lower[64];
        size_t n = len < sizeof lower - 1 ? len : sizeof lower - 1;
        for (size_t i = 0; i < n; i++)
                lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
        lower[n] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (strstr(lower, words[i]))
                        return true;
        return false;
}

static bool is_uri(const char *s)
{
        return strncmp(s + strspn(s, "abcdefghijklmnopqrstuvwxyz"), "://", 3) == 0;
}

/* scheme://user:PASSWORD@host/?password=SECRET. Up to the last '@': a password may hold an
 * unescaped one. */
static void redact_uri(const char *s, struct buf *out)
{
        const char *user = strstr(s, "://") + 3;
        const char *at = strrchr(user, '@'),
                   *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
        if (colon) {
                buf_add(out, s, (size_t)(colon + 1 - s));
                buf_adds(out, REDACTED);
                s = at;
        }
        size_t len = strcspn(s, "?");
        buf_add(out, s, len);
        for (s += len; *s; s += len) { /* "?name=value", "&name=value" */
                len = 1 + strcspn(s + 1, "&");
                size_t name = strcspn(s, "=");
                bool secret = name < len && redact_names_secret(s, name);
                buf_add(out, s, secret ? name + 1 : len);
                if (secret)
                        buf_adds(out, REDACTED);
        }
}

/* Length of a keyword's value: bare or in quotes, with backslashes. */
static size_t value_length(const char *s)
{
        bool quoted = *s == '\'';
        size_t i = quoted;
        for (; s[i] && (quoted ? s[i] != '\'' : !strchr(" \t\r\n", s[i])); i++)
                if (s[i] == '\\' && s[i + 1])
                        i++;
        return i + (quoted && s[i] == '\'');
}

/* host=a password='b c' */
static void redact_keywords(const char *s, struct buf *out)
{
        while (*s) {
                size_t space = strspn(s, " \t\r\n"), name = strcspn(s + space, "= \t\r\n");
                const char *key = s + space, *value = key + name;
                value += strspn(value, " \t\r\n");
                if (*value == '=')
                        value += 1 + strspn(value + 1, " \t\r\n");
                size_t len = value_length(value);
                bool secret = redact_names_secret(key, name);
                buf_add(out, s, (size_t)(value - s));
                if (secret)
                        buf_adds(out, REDACTED);
                else
                        buf_add(out, value, len);
                s = value + len;
        }
}

void redact(const char *text, struct buf *out)
{
        if (is_uri(text))
                redact_uri(text, out);
        else
                redact_keywords(text, out);
}

void redact_message(const char *text, char *message)
{
        BUF_CLEANUP struct buf shown = { .max = 64 * 1024 };
        redact(text, &shown);
        for (char *open = message, *end;
             (open = strchr(open, '"')) && (end = strchr(open + 1, '"')); open = end + 1) {
                BUF_CLEANUP struct buf quoted = { .max = 64 * 1024 };
                buf_add(&quoted, open + 1, (size_t)(end - open - 1));
                const char *part = buf_str(&quoted);
                bool safe = !shown.failed && !quoted.failed &&
                            (strstr(buf_str(&shown), part) || !strstr(text, part));
                size_t len = strlen(REDACTED);
                if (safe)
                        continue;
                if (quoted.len < len) /* too short for the stars */
                        len = quoted.len;
                memcpy(open + 1, REDACTED, len);
                memmove(open + 1 + len, end, strlen(end) + 1);
                end = open + 1 + len;
        }
}
