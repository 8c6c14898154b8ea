#include "base/log.h"

#include "base/instant.h"

#include <stdarg.h>
#include <stdatomic.h>
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

int log_level_parse(const char *name, enum log_level *ret)
{
        for (int i = 0; i < (int)ARRAY_LEN(level_names); i++)
                if (strcmp(name, level_names[i]) == 0) {
                        *ret = (enum log_level)i;
                        return 0;
                }
        return -1;
}

void log_write(enum log_level level, const char *msg, const char *fields, ...)
{
        if ((int)level < atomic_load_explicit(&log_min, memory_order_relaxed))
                return;
        char line[2048], ts[INSTANT_TEXT_MAX];
        instant_format(instant_now() / INSTANT_MS * INSTANT_MS, ts);
        int n = snprintf(line, sizeof line - 1, "ts=%s level=%s prog=%s msg=\"%s\" ", ts, level_names[level], log_program, msg);
        if (n < 0 || n >= (int)sizeof line - 1)
                n = (int)sizeof line - 2;
        va_list ap;
        va_start(ap, fields);
        int m = vsnprintf(line + n, sizeof line - 1 - (size_t)n, fields, ap);
        va_end(ap);
        size_t len = (size_t)n + (m > 0 ? (size_t)m : 0);
        if (len > sizeof line - 2)
                len = sizeof line - 2;
        for (size_t i = 0; i < len; i++) /* one event, one line, whatever the text holds */
                if ((unsigned char)line[i] < ' ')
                        line[i] = ' ';
        while (len && line[len - 1] == ' ')
                len--;
        line[len++] = '\n';
        ssize_t ignored = write(STDERR_FILENO, line, len);
        (void)ignored;
}
