/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reports the daemon's state to a service manager: sd_notify(3), by NOTIFY_SOCKET. */

/* `state`: as sd_notify takes it, "READY=1". Does nothing without a service manager. */
void notify_systemd(const char *state);
