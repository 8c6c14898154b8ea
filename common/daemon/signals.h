/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What signals have requested. All of this may be called by any thread, but for daemon_sleep. */
#include "base/err.h"

int signals_install(struct err *e) MUST_CHECK;

/* a stop or a valid reload was requested: drain and return */
bool daemon_stopping(void);
bool daemon_stop_now(void); /* requested twice */
void daemon_stop(void);     /* requests to drain, as a first signal does */
/* Sleeps up to `ms`, less when a signal arrives. Call it (or daemon_serve) at least every second
 * from the main thread. */
void daemon_sleep(int ms);

/* ---- for the other files of this room ---- */

/* readable once a stop or a valid reload was requested, and from then on */
int signals_stop_fd(void);
bool signals_take_hup(void);  /* a SIGHUP came since the last call */
void signals_reload(void);    /* the new configuration is valid: drain, then restart */
bool signals_reloading(void); /* … and nobody has requested a stop since */
