/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One line per event, key=value, on standard error: "ts=… level=… prog=… msg="…" key=value". For
 * main loops only; library code returns errors instead. No personal data and no secret may be
 * passed in. In each text value quotes, backslashes, line ends and other control characters are
 * escaped (\", \\, \n, \x1b); one that holds a space stands in quotes. Times have milliseconds,
 * always.
 */
#include "base/cleanup.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Call once, before other threads start. `program` must outlive the process. */
void log_init(const char *program, enum log_level level);
void log_set_level(enum log_level level);
/* debug, info, warn, error; false for anything else */
bool log_level_parse(const char *name, enum log_level *ret);

/* `fields` is a printf format of key=value pairs; quote text with LOG_Q: log_info("run planned",
 * "run=%s job=" LOG_Q, id, job). */
#define LOG_Q "\"%s\""
void log_write(enum log_level level, const char *msg, const char *fields, ...) PRINTF_LIKE(3, 4);
#define log_debug(msg, ...) log_write(LOG_LEVEL_DEBUG, msg, __VA_ARGS__)
#define log_info(msg, ...) log_write(LOG_LEVEL_INFO, msg, __VA_ARGS__)
#define log_warn(msg, ...) log_write(LOG_LEVEL_WARN, msg, __VA_ARGS__)
#define log_error(msg, ...) log_write(LOG_LEVEL_ERROR, msg, __VA_ARGS__)
