/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SIGHUP: the new configuration, and the statements that the program would prepare, are checked by
 * a child first (an invalid one is logged and ignored). Then the daemon drains and executes itself,
 * so that every property is reloadable and nothing is half reloaded.
 */
#include "daemon/daemon.h"

/* Handles a pending SIGHUP. Main thread only. */
void daemon_serve(struct daemon *d);
/* Why the last reload was refused, and when; NULL: none was, since this program started. Any
 * thread. */
enum { DAEMON_REFUSED_MAX = 600 };
const char *daemon_reload_refused(char reason[DAEMON_REFUSED_MAX], instant *ret_at);
/* After the drain: executes the program again when a reload was requested, else returns. `d` may be
 * deinitialised before. */
void daemon_finish(struct daemon *d);
