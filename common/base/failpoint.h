/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Named places where a test build can be made to die, stop or wait. Compiled to nothing unless
 * ROLLCALL_FAILPOINTS is on; the environment variable of the same name says what is to happen, as a
 * list of NAME=ACTION@N: at the Nth passing of NAME (from the Nth on: @N+)
 *
 *   kill      the process kills itself, with SIGKILL
 *   stop      it stops itself, with SIGSTOP
 *   sleep:MS  the thread sleeps
 *   error     of "malloc" alone: the allocation fails
 *
 * What happens is written to standard error before it does. Any thread may pass.
 */
#include "base/err.h"

#define FAILPOINTS_VARIABLE "ROLLCALL_FAILPOINTS"

#ifdef ROLLCALL_FAILPOINTS
#define FAILPOINTS_NOTE " with failpoints, for tests only"
#define FAILPOINT(name) failpoint_pass(name)
/* Call once, before other threads start. `text` (NULL: none) need not outlive the call. ERR_FATAL
 * says what is wrong with it. */
int failpoints_load(const char *text, struct err *e) MUST_CHECK;
void failpoint_pass(const char *name);
#else
#define FAILPOINTS_NOTE ""
#define FAILPOINT(name) ((void)0)
static inline int failpoints_load(const char *text, struct err *e)
{
        (void)text;
        (void)e;
        return 0;
}
#endif
