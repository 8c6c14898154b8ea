#pragma once
/*
 * What the three daemons' mains share: options, configuration, signals. SIGTERM or SIGINT asks to
 * drain, a second one to stop at once. SIGHUP reloads by starting anew: the new configuration, and
 * what it has the program prepare, is checked by a child first (an invalid one is said and
 * ignored), then the daemon drains and executes itself, so that every property is reloadable and
 * nothing is half reloaded.
 */
#include "pack/pack.h"

struct daemon {
        const char *program;
        const char *config_given; /* -c; NULL: it is looked for */
        struct service *service;
        struct packs *packs;
        char **argv;
        /* a reload is taken only when the new configuration's statements can be prepared: the
         * program knows --check-statements */
        bool prepares;
        bool check_statements; /* it was asked for: to be answered, instead of running */
        int64_t leave_ms;      /* by daemon_leave_within */
};

/* Parses -c/--config FILE, --check-config, --help, --version; loads the configuration and the
 * packs; starts the log; installs the signal handlers. Returns -1 to go on, else the exit code to
 * leave with (0 after --help; 2 bad usage; 3 bad configuration). */
int daemon_start(struct daemon *d, const char *program, const char *help, int argc, char **argv)
        MUST_CHECK;
void daemon_deinit(struct daemon *d);

/* From now on: `ms`, three seconds at least, after the first signal the program ends with status 1,
 * whatever it waits for (or starts anew, for a reload); three seconds after the second one. */
int daemon_leave_within(struct daemon *d, int64_t ms, struct err *e) MUST_CHECK;

/* a stop or a valid reload was asked for: drain and return; any thread */
bool daemon_stopping(void);
bool daemon_stop_now(void); /* asked twice; any thread */
void daemon_stop(void);     /* asks to drain, as a first signal does; any thread */
/* Sleeps up to `ms`, less when a signal arrives. Call it (or daemon_serve) at least every second
 * from the main thread. */
void daemon_sleep(int ms);
/* Handles a pending SIGHUP (see above). Main thread only. */
void daemon_serve(struct daemon *d);
/* Why the last reload was refused, and when; NULL: none was, since this program started. Any
 * thread. */
enum { DAEMON_REFUSED_MAX = 600 };
const char *daemon_reload_refused(char reason[DAEMON_REFUSED_MAX], instant *ret_at);
/* After the drain: executes the program anew when a reload was asked for, else returns. `d` may be
 * deinitialised before. */
void daemon_finish(struct daemon *d);

/* Tells a service manager that the daemon is ready (NOTIFY_SOCKET), and logs it. */
void daemon_ready(const struct daemon *d);
