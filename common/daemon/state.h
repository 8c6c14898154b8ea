#pragma once
/* What signals have requested, shared by the files of this room. Private to it. */
#include "daemon/daemon.h"

int signals_install(struct err *e) MUST_CHECK;
/* readable once a stop or a valid reload was requested, and from then on */
int signals_stop_fd(void);
bool signals_take_hup(void);  /* a SIGHUP came since the last call */
void signals_reload(void);    /* the new configuration is valid: drain, then restart */
bool signals_reloading(void); /* … and nobody has asked to stop since */

/* Tells the service manager (sd_notify(3)) when there is one: NOTIFY_SOCKET. */
void notify(const char *state);
