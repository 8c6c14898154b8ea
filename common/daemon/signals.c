/* SPDX-License-Identifier: Apache-2.0 */
/* What signals have requested: to stop, to stop at once, to reload. */
#include "daemon/signals.h"

#include "daemon/notify.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The process-wide signal flags, read by any thread. `wake` is readable after a signal, so that a
 * sleep cannot miss one. */
static struct {
        atomic_int stops;
        atomic_bool hup, reload, announced;
        atomic_int wake;
        atomic_int stop; /* readable from the first stop or reload on */
} flags = { .wake = -1, .stop = -1 };

static void add_one(int fd)
{
        uint64_t one = 1;
        ssize_t ignored = write(fd, &one, sizeof one);
        (void)ignored;
}

static void wake_up(void)
{
        add_one(atomic_load(&flags.wake));
}

static void request_stop(void)
{
        add_one(atomic_load(&flags.stop));
}

static void handle_signal(int sig)
{
        int saved = errno;
        if (sig == SIGHUP)
                atomic_store(&flags.hup, true);
        else {
                atomic_fetch_add(&flags.stops, 1);
                request_stop();
        }
        wake_up();
        errno = saved;
}

int signals_install(struct err *e)
{
        static const int handled[] = { SIGTERM, SIGINT, SIGHUP };
        struct sigaction action = { .sa_handler = handle_signal, .sa_flags = SA_RESTART };
        if (atomic_load(&flags.wake) < 0)
                atomic_store(&flags.wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (atomic_load(&flags.stop) < 0)
                atomic_store(&flags.stop, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (atomic_load(&flags.wake) < 0 || atomic_load(&flags.stop) < 0)
                return err_set(e, ERR_FATAL, "", "eventfd: %s", strerror(errno));
        sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < ARRAY_LEN(handled); i++)
                if (sigaction(handled[i], &action, NULL) < 0)
                        return err_set(e, ERR_FATAL, "", "sigaction: %s", strerror(errno));
        action.sa_handler = SIG_IGN;
        if (sigaction(SIGPIPE, &action, NULL) < 0)
                return err_set(e, ERR_FATAL, "", "sigaction: %s", strerror(errno));
        return 0;
}

int signals_stop_fd(void)
{
        return atomic_load(&flags.stop);
}

bool signals_take_hup(void)
{
        return atomic_exchange(&flags.hup, false);
}

void signals_reload(void)
{
        atomic_store(&flags.reload, true);
        request_stop();
}

bool signals_reloading(void)
{
        return atomic_load(&flags.reload) && atomic_load(&flags.stops) == 0;
}

bool daemon_stopping(void)
{
        bool stop = atomic_load(&flags.stops) > 0;
        if (stop && !atomic_exchange(&flags.announced, true))
                notify_systemd("STOPPING=1");
        return stop || atomic_load(&flags.reload);
}

void daemon_stop(void)
{
        int none = 0;
        atomic_compare_exchange_strong(&flags.stops, &none, 1);
        request_stop();
        wake_up();
}

bool daemon_stop_now(void)
{
        return atomic_load(&flags.stops) > 1;
}

void daemon_sleep(int ms)
{
        struct pollfd wake = { .fd = atomic_load(&flags.wake), .events = POLLIN };
        uint64_t count;
        if (poll(&wake, 1, ms > 0 ? ms : 0) > 0) {
                ssize_t ignored = read(wake.fd, &count, sizeof count);
                (void)ignored;
        }
}
