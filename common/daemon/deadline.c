/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends a program whose drain takes longer than it may, whatever its threads wait for: a database
 * that is frozen, a broker that does not answer. Nothing is lost by it: what is committed is safe,
 * and the rest is done by the next process, as after a crash.
 */
#include "daemon/deadline.h"

#include "base/log.h"
#include "daemon/reload.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_MS = 50, AT_ONCE_MS = 3000, STACK_BYTES = 128 * 1024 };

static void sleep_ms(int ms)
{
        nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void *enforce_limit(void *arg)
{
        struct daemon *d = arg;
        struct pollfd requested = { .fd = signals_stop_fd(), .events = POLLIN };
        while (poll(&requested, 1, -1) < 1)
                ;
        int64_t until = monotonic_ms() + d->leave_ms;
        while (monotonic_ms() < until && !daemon_stop_now())
                sleep_ms(SLICE_MS);
        if (daemon_stop_now() && until > monotonic_ms() + AT_ONCE_MS)
                until = monotonic_ms() + AT_ONCE_MS;
        while (monotonic_ms() < until)
                sleep_ms(SLICE_MS);
        log_error("not stopped in time: exiting with unfinished work, as after a crash",
                  "limit_ms=%lld", (long long)d->leave_ms);
        daemon_finish(d);
        _exit(EXIT_FAILURE);
}

int daemon_leave_within(struct daemon *d, int64_t ms, struct err *e)
{
        pthread_attr_t attributes;
        pthread_t thread;
        sigset_t all, before;
        d->leave_ms = ms > AT_ONCE_MS ? ms : AT_ONCE_MS;
        sigfillset(&all);
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        /* inherited: signals are for the other threads */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int rc = pthread_create(&thread, &attributes, enforce_limit, d);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return rc ? err_set(e, ERR_FATAL, "", "no thread for the time limit of a drain") : 0;
}
