/* SPDX-License-Identifier: Apache-2.0 */
/* Places in a test build at which the environment makes a program kill, stop or delay itself, or
 * fail. */
#include "base/failpoint.h"

#ifdef ROLLCALL_FAILPOINTS
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POINTS_MAX = 32, NAME_MAX_LEN = 40 };
enum action { KILL, STOP, SLEEP, ERROR };

static const char *const action_names[] = { "kill", "stop", "sleep", "error" };

static struct point {
        char name[NAME_MAX_LEN];
        enum action action;
        long ms;
        unsigned long at;
        bool onwards;
        atomic_ulong passed;
} points[POINTS_MAX];
static size_t n_points;

/* No stdio: a failing malloc passes here too. */
static void report_passing(const struct point *p, unsigned long nth)
{
        char line[128];
        int n = snprintf(line, sizeof line, "failpoint name=%s action=%s passing=%lu\n", p->name,
                         action_names[p->action], nth);
        (void)!write(STDERR_FILENO, line, (size_t)n);
}

/* True when an `error` is due here. */
static bool pass_point(const char *name)
{
        for (size_t i = 0; i < n_points; i++) {
                struct point *p = &points[i];
                if (strcmp(p->name, name) != 0)
                        continue;
                unsigned long nth = atomic_fetch_add(&p->passed, 1) + 1;
                if (nth != p->at && !(p->onwards && nth > p->at))
                        continue;
                if (nth == p->at)
                        report_passing(p, nth);
                if (p->action == ERROR)
                        return true;
                if (p->action == SLEEP)
                        nanosleep(&(struct timespec){ p->ms / 1000, p->ms % 1000 * 1000000L },
                                  NULL);
                else
                        kill(getpid(), p->action == KILL ? SIGKILL : SIGSTOP);
        }
        return false;
}

void failpoint_pass(const char *name)
{
        (void)pass_point(name);
}

/* ---- the environment's text ---- */

static int parse_number(const char *text, unsigned long *ret, const char **rest)
{
        char *end;
        *ret = strtoul(text, &end, 10);
        *rest = end;
        return *text >= '0' && *text <= '9' && end != text ? 0 : -1;
}

/* "NAME=ACTION@N", "NAME=sleep:MS@N", with or without a "+" at the end. */
static int parse_point(const char *text, struct point *p)
{
        const char *equals = strchr(text, '='), *rest;
        unsigned long ms = 0;
        if (!equals || equals == text || equals - text >= NAME_MAX_LEN)
                return -1;
        memcpy(p->name, text, (size_t)(equals - text));
        size_t i = 0, len = 0;
        for (; i < ARRAY_LEN(action_names); i++) {
                len = strlen(action_names[i]);
                if (strncmp(equals + 1, action_names[i], len) == 0)
                        break;
        }
        if (i == ARRAY_LEN(action_names))
                return -1;
        rest = equals + 1 + len;
        p->action = (enum action)i;
        if (p->action == SLEEP &&
            (*rest != ':' || parse_number(rest + 1, &ms, &rest) < 0 || ms > 3600000))
                return -1;
        p->ms = (long)ms;
        if ((p->action == ERROR) != (strcmp(p->name, "malloc") == 0))
                return -1;
        if (*rest != '@' || parse_number(rest + 1, &p->at, &rest) < 0 || p->at == 0)
                return -1;
        p->onwards = *rest == '+';
        return rest[p->onwards] == '\0' ? 0 : -1;
}

int failpoints_load(const char *text, struct err *e)
{
        char *copy CLEANUP(cleanup_free) = strdup(text ? text : ""), *save = NULL;
        if (!copy)
                return err_oom(e);
        size_t n = 0;
        for (char *s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
                if (n == POINTS_MAX || parse_point(s, &points[n]) < 0)
                        return err_set(e, ERR_FATAL, "",
                                       FAILPOINTS_VARIABLE
                                       ": \"%s\" is not NAME=ACTION@N with the actions kill, stop, "
                                       "sleep:MS, and error for malloc; at most %d of them",
                                       s, POINTS_MAX);
                n++;
        }
        n_points = n;
        return 0;
}

/* ---- allocations of ours; the linker puts these in their place (--wrap) ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
        return pass_point("malloc") ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
        return pass_point("malloc") ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
        return pass_point("malloc") ? NULL : __real_realloc(p, n);
}
#endif
