/* SPDX-License-Identifier: Apache-2.0 */
/* Errors with a class, a code and a text. */
#define ERR_IMPLEMENTED_HERE
#include "base/err.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, enum err_class class, const char *code, const char *fmt, ...)
{
        if (!e)
                return -1;
        va_list ap;
        va_start(ap, fmt);
        e->class = class;
        snprintf(e->code, sizeof e->code, "%s", code ? code : "");
        vsnprintf(e->text, sizeof e->text, fmt, ap);
        /* it may have been cut within a character, and goes into the database */
        utf8_clean(e->text);
        va_end(ap);
        return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
        if (!e)
                return -1;
        char old[sizeof e->text];
        memcpy(old, e->text, sizeof old);
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof e->text)
                snprintf(e->text + n, sizeof e->text - (size_t)n, ": %s", old);
        utf8_clean(e->text);
        return -1;
}

int err_oom(struct err *e)
{
        return err_set(e, ERR_FATAL, "ENOMEM", "out of memory");
}

bool err_is_oom(const struct err *e)
{
        return strcmp(e->code, "ENOMEM") == 0;
}

const char *err_class_name(enum err_class class)
{
        switch (class) {
        case ERR_NONE:
                return "none";
        case ERR_RETRY:
                return "retry";
        case ERR_INPUT:
                return "input";
        case ERR_FATAL:
                return "fatal";
        }
        return "?";
}
