/* SPDX-License-Identifier: Apache-2.0 */
/* The test starts itself as a daemon (any argument does) and sends it signals, as a service manager
 * would. */
#include "daemon/daemon.h"
#include "daemon/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000 };

static char folder[] = "/tmp/rollcall-daemon-XXXXXX";
static char file[64], manager[64];

static int run_daemon(int argc, char **argv)
{
        struct daemon d;
        int rc = daemon_start(&d, "test-daemon", "A daemon that only sleeps.", argc, argv);
        if (rc >= 0)
                return rc;
        daemon_ready(&d);
        while (!daemon_stopping()) {
                daemon_serve(&d);
                daemon_sleep(50);
        }
        if (getenv("STUBBORN"))
                while (!daemon_stop_now())
                        daemon_sleep(1000);
        daemon_deinit(&d);
        daemon_finish(&d);
        return 0;
}

/* ---- the other side ---- */

struct child {
        pid_t pid;
        int out;         /* standard output and error */
        struct buf text; /* what came from it */
};

static void write_config(const char *text)
{
        FILE *f = fopen(file, "w");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static struct child start(const char *const *arguments)
{
        struct child c = { .text = { .max = 1 << 20 } };
        char *argv[8] = { (char[]){ "test-daemon" } };
        int pipes[2], n = 1;
        while (*arguments)
                argv[n++] = (char *)(uintptr_t)*arguments++;
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
        assert_int_equal(posix_spawn(&c.pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        close(pipes[1]);
        c.out = pipes[0];
        return c;
}

/* Reads until `what` has come; NULL: until the end. */
static void expect(struct child *c, const char *what)
{
        char part[1024];
        ssize_t n = 1;
        struct pollfd p = { .fd = c->out, .events = POLLIN };
        while (n > 0 && !(what && strstr(buf_str(&c->text), what))) {
                if (poll(&p, 1, WAIT_MS) <= 0)
                        fail_msg("no %s in: %s", what ? what : "end", buf_str(&c->text));
                n = read(c->out, part, sizeof part);
                if (n > 0)
                        buf_add(&c->text, part, (size_t)n);
        }
        if (what && !strstr(buf_str(&c->text), what))
                fail_msg("no %s in: %s", what, buf_str(&c->text));
}

/* Its exit status; the signal's number negated. */
static int finish(struct child *c)
{
        int status;
        expect(c, NULL);
        assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
        close(c->out);
        buf_deinit(&c->text);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void expect_state(int fd, const char *what)
{
        char text[256];
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, WAIT_MS) <= 0)
                fail_msg("no %s", what);
        ssize_t n = recv(fd, text, sizeof text - 1, 0);
        assert_true(n > 0);
        text[n] = '\0';
        if (strncmp(text, what, strlen(what)) != 0)
                fail_msg("%s instead of %s", text, what);
}

static int listen_as_manager(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        unlink(manager);
        memcpy(address.sun_path, manager, strlen(manager));
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
        return fd;
}

static int make_folder(void **state)
{
        (void)state;
        snprintf(file, sizeof file, "%s/rollcall.cfg", mkdtemp(folder));
        snprintf(manager, sizeof manager, "%s/notify", folder);
        return setenv("NOTIFY_SOCKET", manager, 1);
}

static int remove_folder(void **state)
{
        (void)state;
        unlink(file);
        unlink(manager);
        return rmdir(folder);
}

/* ---- tests ---- */

static void options(void **state)
{
        (void)state;
        static const struct {
                const char *config, *arguments[4];
                int status;
                const char *text;
        } cases[] = {
                { "", { "--help" }, 0, "Usage: test-daemon [-c FILE]" },
                { "", { "--version" }, 0, "test-daemon 0" },
                { "", { "--nonsense" }, 2, "Try \"test-daemon --help\"" },
                { "", { "-c", file, "x" }, 2, "unexpected argument \"x\"" },
                { "kafka = { brokers = \"k\"; };",
                  { "-c", file, "--check-config" },
                  0,
                  "rollcall.cfg: valid" },
                { "kafka = {\n brokers = 5; };",
                  { "-c", file, "--check-config" },
                  3,
                  "rollcall.cfg:2: kafka.brokers: found 5" },
                { "kafka = {\n brokers = 5; };",
                  { "-c", file },
                  3,
                  "rollcall.cfg:2: kafka.brokers: found 5" },
                { "kafka = { brokers = \"k\"; }; packs = ( { path = \"x\"; } );",
                  { "--config", file },
                  3,
                  "rollcall.cfg:1: packs[0].path: " },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                write_config(cases[i].config);
                struct child c = start(cases[i].arguments);
                expect(&c, cases[i].text);
                assert_int_equal(finish(&c), cases[i].status);
        }
}

static void reload(void **state)
{
        (void)state;
        static const char *const arguments[] = { "-c", file, NULL };
        int fd = listen_as_manager();
        write_config("kafka = { brokers = \"k\"; };");
        struct child c = start(arguments);
        expect_state(fd, "READY=1");
        write_config("kafka = {\n brokers = \"k\"; colour = 5; };");
        kill(c.pid, SIGHUP);
        expect(&c, "msg=\"reload refused, keeping the old configuration\" reason=\"");
        expect(&c, "rollcall.cfg:2: kafka.colour: unknown key");
        assert_int_equal(kill(c.pid, 0), 0);
        write_config("kafka = { brokers = \"k\"; }; log = { level = \"debug\"; };");
        kill(c.pid, SIGHUP);
        expect_state(fd, "RELOADING=1\nMONOTONIC_USEC=");
        expect_state(fd, "READY=1"); /* by the same process, restarted */
        kill(c.pid, SIGTERM);
        expect_state(fd, "STOPPING=1");
        assert_int_equal(finish(&c), 0);
        close(fd);
}

static void second_signal(void **state)
{
        (void)state;
        static const char *const arguments[] = { "-c", file, NULL };
        int fd = listen_as_manager();
        write_config("kafka = { brokers = \"k\"; };");
        setenv("STUBBORN", "1", 1);
        struct child c = start(arguments);
        unsetenv("STUBBORN");
        expect_state(fd, "READY=1");
        kill(c.pid, SIGINT);
        expect_state(fd, "STOPPING=1");
        assert_int_equal(waitpid(c.pid, NULL, WNOHANG), 0);
        kill(c.pid, SIGTERM);
        assert_int_equal(finish(&c), 0);
        close(fd);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(options),
                cmocka_unit_test(reload),
                cmocka_unit_test(second_signal),
        };
        if (argc > 1)
                return run_daemon(argc, argv);
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
