/* SPDX-License-Identifier: Apache-2.0 */
/* A reload: a child checks the new configuration, then the program drains and executes itself. */
#include "daemon/reload.h"

#include "base/log.h"
#include "base/utf8.h"
#include "daemon/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHECK_MAX_MS = 30000 };

/* The child that checks the new configuration; main thread only. */
static struct {
        pid_t pid; /* 0: none */
        int fd;    /* reads its standard error */
        int64_t deadline;
} check = { .fd = -1 };

/* The last reload that was refused; read by other threads. */
static struct {
        pthread_mutex_t lock;
        char reason[DAEMON_REFUSED_MAX]; /* "": none was */
        instant at;
} refused = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void refuse_reload(const char *reason)
{
        pthread_mutex_lock(&refused.lock);
        snprintf(refused.reason, sizeof refused.reason, "%s", reason);
        utf8_clean(refused.reason);
        refused.at = instant_now();
        pthread_mutex_unlock(&refused.lock);
        log_error("reload refused, keeping the old configuration", "reason=" LOG_Q, reason);
}

const char *daemon_reload_refused(char reason[DAEMON_REFUSED_MAX], instant *ret_at)
{
        pthread_mutex_lock(&refused.lock);
        snprintf(reason, DAEMON_REFUSED_MAX, "%s", refused.reason);
        *ret_at = refused.at;
        pthread_mutex_unlock(&refused.lock);
        return *reason ? reason : NULL;
}

/* Our own program; a newer one when the file was replaced meanwhile. By its name rather than
 * /proc/self/exe, which would show as "exe". */
static const char *own_program(char path[PATH_MAX])
{
        static const char deleted[] = " (deleted)";
        ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
        if (n <= 0)
                return "/proc/self/exe";
        path[n] = '\0';
        size_t len = (size_t)n, tail = sizeof deleted - 1;
        if (len > tail && strcmp(path + len - tail, deleted) == 0)
                path[len - tail] = '\0';
        return access(path, X_OK) == 0 ? path : "/proc/self/exe";
}

static int spawn_check(char *const argv[], int err_fd, pid_t *ret)
{
        char path[PATH_MAX];
        sigset_t none, defaults;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        sigemptyset(&none);
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGPIPE);
        int rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (rc == 0)
                rc = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
                                                      O_WRONLY, 0);
        if (rc == 0)
                rc = posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
        if (rc == 0)
                rc = posix_spawnattr_setsigmask(&attributes, &none);
        if (rc == 0)
                rc = posix_spawnattr_setsigdefault(&attributes, &defaults);
        if (rc == 0)
                rc = posix_spawnattr_setflags(&attributes,
                                              POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (rc == 0)
                rc = posix_spawn(ret, own_program(path), &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return rc;
}

static void start_check(const struct daemon *d)
{
        int pipes[2];
        /* The child finds the file as we did: one that was not named by -c is trusted less. */
        char *what = d->prepares ? (char[]){ "--check-statements" } : (char[]){ "--check-config" };
        char *argv[] = { (char *)(uintptr_t)d->program, what, (char[]){ "-c" },
                         (char *)(uintptr_t)d->config_given, NULL };
        if (!d->config_given)
                argv[2] = NULL;
        if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0) {
                refuse_reload(strerror(errno));
                return;
        }
        int rc = spawn_check(argv, pipes[1], &check.pid);
        close(pipes[1]);
        if (rc != 0) {
                close(pipes[0]);
                check.pid = 0;
                refuse_reload(strerror(rc));
                return;
        }
        check.fd = pipes[0];
        check.deadline = monotonic_ms() + CHECK_MAX_MS;
        log_info("checking the new configuration", "config=" LOG_Q, d->service->file);
}

/* A reload as a service manager sees it ends with the READY=1 of the program that was executed. */
static void accept_reload(const struct daemon *d)
{
        char state[64];
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
                 (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
        notify_systemd(state);
        log_info("reloading", "config=" LOG_Q, d->service->file);
        signals_reload();
}

static void finish_check(const struct daemon *d, int status)
{
        char text[1200];
        ssize_t n = read(check.fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        close(check.fd);
        check.fd = -1;
        check.pid = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                accept_reload(d);
        else
                refuse_reload(*text ? text : "the check of the configuration failed");
}

void daemon_serve(struct daemon *d)
{
        int status;
        if (check.pid == 0) {
                if (!daemon_stopping() && signals_take_hup())
                        start_check(d);
                return;
        }
        if (monotonic_ms() > check.deadline)
                kill(check.pid, SIGKILL);
        if (waitpid(check.pid, &status, WNOHANG) == check.pid)
                finish_check(d, status);
}

void daemon_finish(struct daemon *d)
{
        char path[PATH_MAX];
        if (check.pid) {
                kill(check.pid, SIGKILL);
                waitpid(check.pid, NULL, 0);
                close(check.fd);
                check.pid = 0;
                check.fd = -1;
        }
        if (!signals_reloading())
                return;
        /* inherited: none may kill the new program before it has its handlers */
        signal(SIGHUP, SIG_IGN);
        /* whatever a library left open is not inherited */
        close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        execv(own_program(path), d->argv);
        log_error("reload failed: exec", "reason=\"%s\"", strerror(errno));
}
