/* SPDX-License-Identifier: Apache-2.0 */
/* Refuses what libconfig accepts or misreads: control characters and their escapes. */
#include "config/characters.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

DEFINE_CLEANUP(close_stream, FILE, fclose)

/* A text's \x00 to \x08, say, stands for a control character. */
static bool escapes_control(const char *at, size_t len)
{
        return len >= 4 && at[0] == '\\' && at[1] == 'x' && (at[2] == '0' || at[2] == '1') &&
               strncmp(at, "\\x09", 4) != 0 && strncasecmp(at, "\\x0a", 4) != 0 &&
               strncasecmp(at, "\\x0d", 4) != 0;
}

static int check_line(const char *file, int line, const char *text, size_t len, struct err *e)
{
        for (size_t i = 0, n; i < len; i += n) {
                unsigned char c = (unsigned char)text[i];
                if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f') || c == 0x7f)
                        return err_set(
                                e, ERR_FATAL, "",
                                "%s:%d:%zu: found a control character (0x%02x), expected text",
                                file, line, i + 1, c);
                if (escapes_control(text + i, len - i))
                        return err_set(
                                e, ERR_FATAL, "",
                                "%s:%d:%zu: found %.4s, expected no control character in a text",
                                file, line, i + 1, text + i);
                n = c == '\\' && i + 1 < len && (text[i + 1] == '\\' || text[i + 1] == '"')
                            ? 2
                            : utf8_length(text + i, len - i);
                if (n == 0)
                        return err_set(e, ERR_FATAL, "",
                                       "%s:%d:%zu: found a byte (0x%02x) that is not UTF-8, "
                                       "expected UTF-8 text",
                                       file, line, i + 1, c);
        }
        return 0;
}

int characters_check(const char *file, struct err *e)
{
        FILE *f CLEANUP(close_stream) = fopen(file, "re");
        char *text CLEANUP(cleanup_free) = NULL;
        size_t cap = 0;
        int line = 1;
        if (!f)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", file, strerror(errno));
        for (ssize_t len; (len = getline(&text, &cap, f)) > 0; line++)
                if (check_line(file, line, text, (size_t)len, e) < 0)
                        return -1;
        return 0;
}
