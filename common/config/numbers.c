/* SPDX-License-Identifier: Apache-2.0 */
/* Refuses numbers that libconfig before 1.7 would cut. */
#include "config/numbers.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(close_file, FILE, fclose)

/* What libconfig takes for part of a number or of a name. */
static bool in_word(int c)
{
        return isalnum(c) || strchr("_.*+-", c);
}

static bool is_cut(const char *word)
{
        const char *digits = word + (*word == '-' || *word == '+');
        if (!*digits || digits[strspn(digits, "0123456789")])
                return false;
        errno = 0;
        long long n = strtoll(word, NULL, 10);
        return errno == ERANGE || n > INT32_MAX || n < INT32_MIN;
}

/* Reads to the end of a quoted text or a comment that begins with `c`; false when none does. */
static bool skip(FILE *f, int c, int *line)
{
        int next = c == '/' ? getc(f) : 0, last = 0;
        if (c == '/' && next != '*' && next != '/') {
                ungetc(next, f);
                return false;
        }
        if (c != '"' && c != '#' && c != '/')
                return false;
        int kind = next ? next : c;
        while ((c = getc(f)) != EOF) {
                *line += c == '\n';
                if ((kind == '"' && c == '"') || (kind == '*' && last == '*' && c == '/') ||
                    ((kind == '#' || kind == '/') && c == '\n'))
                        break;
                if (kind == '"' && c == '\\') {
                        c = getc(f);
                        *line += c == '\n';
                }
                last = c;
        }
        return true;
}

int numbers_check(const char *file, struct err *e)
{
        FILE *f CLEANUP(close_file) = fopen(file, "re");
        if (!f)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", file, strerror(errno));
        int line = 1, c;
        while ((c = getc(f)) != EOF) {
                char word[64] = "";
                size_t len = 0;
                line += c == '\n';
                if (skip(f, c, &line))
                        continue;
                for (; c != EOF && c && in_word(c); c = getc(f))
                        if (len < sizeof word - 1)
                                word[len++] = (char)c;
                if (is_cut(word))
                        return err_set(e, ERR_FATAL, "",
                                       "%s:%d: found %s, expected %sL: a number of more than 32 "
                                       "bits ends in L",
                                       file, line, word, word);
                if (len > 0)
                        ungetc(c, f);
        }
        return 0;
}
