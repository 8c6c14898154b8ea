/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One error value for every fallible function. The caller owns it; a function that fails fills it
 * once, where the fault was met. The class answers the only question a loop may ask; nobody
 * branches on the text.
 */
#include "base/cleanup.h"
#include <stdbool.h>

enum err_class {
        ERR_NONE = 0,
        /* something is unavailable (connection, lock, broker): the same call may succeed later */
        ERR_RETRY,
        ERR_INPUT, /* this input can never work: quarantine or refuse it, continue with the others
                    */
        ERR_FATAL, /* this process cannot continue (configuration, schema, fencing, memory) */
};

struct err {
        enum err_class class;
        char code[24];   /* SQLSTATE, Kafka's error name, SMTP reply code, a short name, or "" */
        char text[1000]; /* one line for an operator: what, where, and what to do */
};

#define ERR_INIT { .class = ERR_NONE }

/* Fills `e` (which may be NULL) and returns -1, so that a failing function ends with `return
 * err_set(...)`. `code` is "" where nobody else has given the error one. */
int err_set(struct err *e, enum err_class class, const char *code, const char *fmt, ...)
        PRINTF_LIKE(4, 5);

/* Puts "context: " before the text that is already there. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Out of memory is fatal for the call that met it. Returns -1. */
int err_oom(struct err *e);
bool err_is_oom(const struct err *e); /* it says nothing about what was being worked on */

const char *err_class_name(enum err_class class);

#if defined(__clang_analyzer__) && !defined(ERR_IMPLEMENTED_HERE)
/* clang's analyzer reads one file at a time: these say that the functions return -1. */
#define err_set(...) ((void)err_set(__VA_ARGS__), -1)
#define err_prefix(...) ((void)err_prefix(__VA_ARGS__), -1)
#define err_oom(...) ((void)err_oom(__VA_ARGS__), -1)
#endif
