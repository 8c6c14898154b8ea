/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the mains of the three daemons share: options, configuration, packs, log. SIGTERM or SIGINT
 * requests a drain, a second one to stop at once (signals.h); SIGHUP reloads (reload.h).
 */
#include "daemon/signals.h"
#include "pack/pack.h"

struct daemon {
        const char *program;
        const char *config_given; /* -c; NULL: it is looked for */
        struct service *service;
        struct packs *packs;
        char **argv;
        /* a reload is accepted only when the new configuration's statements can be prepared: the
         * program knows --check-statements */
        bool prepares;
        bool check_statements; /* requested: to be answered, instead of running */
        int64_t leave_ms;      /* by daemon_leave_within */
};

/* Parses -c/--config FILE, --check-config, --help, --version; loads the configuration and the
 * packs; starts the log; installs the signal handlers. Returns -1 to continue, else the exit code:
 * 0 after --help; 2 bad usage; 3 bad configuration. */
int daemon_start(struct daemon *d, const char *program, const char *help, int argc, char **argv)
        MUST_CHECK;
void daemon_deinit(struct daemon *d);

/* Reports to a service manager that the daemon is ready, and logs it. */
void daemon_ready(const struct daemon *d);
