/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mail/maildir.h"
#include "mail/smtp.h"
#include "mail/webhook.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE "Subject: x\r\n\r\n.\r\nbody\r\n"

struct fixture {
        char folder[64];
        struct transport *t;
};

static int set_up(void **state)
{
        static struct fixture f;
        struct err e = ERR_INIT;
        strcpy(f.folder, "/tmp/rollcall-maildir-XXXXXX");
        if (!mkdtemp(f.folder) || transport_maildir(f.folder, &f.t, &e) < 0)
                return -1;
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        transport_free(f->t);
        char command[100];
        snprintf(command, sizeof command, "rm -r %s", f->folder);
        return system(command);
}

static struct envelope letter(const char *id, const char *message)
{
        return (struct envelope){ .from = "a@example.org",
                                  .to = "b@example.net",
                                  .message = span_of(message),
                                  .id = span_of(id) };
}

static size_t count(const struct fixture *f, const char *name)
{
        char path[200];
        snprintf(path, sizeof path, "%s/%s", f->folder, name);
        DIR *d = opendir(path);
        assert_non_null(d);
        size_t n = 0;
        for (struct dirent *entry; (entry = readdir(d));)
                n += entry->d_name[0] != '.';
        closedir(d);
        return n;
}

static void check_file(const struct fixture *f, const char *name, const char *expected)
{
        char path[400], text[200] = "";
        snprintf(path, sizeof path, "%s/new/%s", f->folder, name);
        FILE *file = fopen(path, "r");
        if (!file)
                fail_msg("no file %s", path);
        size_t n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        assert_int_equal(n, strlen(expected));
        assert_string_equal(text, expected);
}

static void a_repetition_replaces(void **state)
{
        struct fixture *f = *state;
        struct envelope list[] = { letter("1@x", MESSAGE), letter("2@x", MESSAGE),
                                   letter("1@x", MESSAGE "again\r\n") };
        transport_send(f->t, list, 3, NULL, NULL);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(list[i].state, SEND_DONE);
                assert_int_equal(list[i].code, 0);
                assert_string_equal(list[i].reason, "");
        }
        assert_int_equal(count(f, "new"), 2);
        assert_int_equal(count(f, "tmp"), 0);
        assert_int_equal(count(f, "cur"), 0);
        check_file(f, "1@x", MESSAGE "again\r\n");
        check_file(f, "2@x", MESSAGE);
        transport_send(f->t, list, 1, NULL, NULL);
        assert_int_equal(count(f, "new"), 2);
        check_file(f, "1@x", MESSAGE);
}

static void names_are_safe_and_distinct(void **state)
{
        struct fixture *f = *state;
        char long_a[400], long_b[400];
        memset(long_a, 'a', sizeof long_a);
        strcpy(long_a + sizeof long_a - 4, "@xa");
        memcpy(long_b, long_a, sizeof long_b);
        strcpy(long_b + sizeof long_b - 4, "@xb");
        struct envelope list[] = { letter("../../x@y", MESSAGE), letter(".hidden:2,S", MESSAGE),
                                   letter("%2E@x", MESSAGE), letter(long_a, MESSAGE),
                                   letter(long_b, MESSAGE) };
        transport_send(f->t, list, ARRAY_LEN(list), NULL, NULL);
        for (size_t i = 0; i < ARRAY_LEN(list); i++)
                assert_int_equal(list[i].state, SEND_DONE);
        check_file(f, "%2E.%2F..%2Fx@y", MESSAGE);
        check_file(f, "%2Ehidden%3A2%2CS", MESSAGE);
        check_file(f, "%252E@x", MESSAGE);
        assert_int_equal(count(f, "new"), ARRAY_LEN(list));
}

static void refuses_what_must_not_reach_a_wire(void **state)
{
        struct fixture *f = *state;
        struct envelope list[] = {
                letter("1@x", MESSAGE),    letter("2@x", "a\nb\r\n"), letter("3@x", "a\rb\r\n"),
                letter("4@x", "a\r\n.\n"), letter("5@x", "\nb"),      letter("6@x", "b\r"),
                letter("7@x", ""),         letter("", MESSAGE),       letter("8@x", MESSAGE),
                letter("9@x", MESSAGE),    letter("10@x", MESSAGE),
        };
        list[8].to = "b@example.net\r\nRCPT TO:<c@example.net>";
        list[9].from = "a b@example.org";
        list[10].message.len++; /* the NUL */
        transport_send(f->t, list, ARRAY_LEN(list), NULL, NULL);
        assert_int_equal(list[0].state, SEND_DONE);
        for (size_t i = 1; i < ARRAY_LEN(list); i++) {
                assert_int_equal(list[i].state, SEND_REFUSED);
                assert_null(strchr(list[i].reason, '@'));
                assert_true(*list[i].reason);
        }
        assert_int_equal(count(f, "new"), 1);
}

static int countdown(void *ctx)
{
        return --*(int *)ctx < 0;
}

static void ticks_can_stop_it(void **state)
{
        struct fixture *f = *state;
        struct envelope one = letter("1@x", MESSAGE);
        int left = 0;
        transport_send(f->t, &one, 1, countdown, &left);
        assert_int_equal(one.state, SEND_PENDING);
        assert_int_equal(count(f, "new"), 0);
        left = 1;
        transport_send(f->t, &one, 1, countdown, &left);
        assert_int_equal(one.state, SEND_DONE);
}

static void failures_are_deferred(void **state)
{
        struct fixture *f = *state;
        struct envelope list[600];
        char ids[600][16], path[100];
        for (size_t i = 0; i < ARRAY_LEN(list); i++) {
                snprintf(ids[i], sizeof ids[i], "%zu@x", i);
                list[i] = letter(ids[i], MESSAGE);
        }
        /* A folder in the way of one message's name. */
        snprintf(path, sizeof path, "%s/new/7@x", f->folder);
        assert_int_equal(mkdir(path, 0700), 0);
        transport_send(f->t, list, ARRAY_LEN(list), NULL, NULL);
        for (size_t i = 0; i < ARRAY_LEN(list); i++)
                assert_int_equal(list[i].state, i == 7 ? SEND_DEFERRED : SEND_DONE);
        assert_string_equal(list[7].reason, "Maildir: new/ cannot be written: Is a directory");
        assert_int_equal(count(f, "new"), 600);
        assert_int_equal(count(f, "tmp"), 0);
        struct err e = ERR_INIT;
        assert_int_equal(transport_probe(f->t, &e), 0);
        snprintf(path, sizeof path, "%s/tmp", f->folder);
        assert_int_equal(rmdir(path), 0);
        transport_send(f->t, list, 2, NULL, NULL);
        assert_int_equal(list[0].state, SEND_DEFERRED);
        assert_int_equal(transport_probe(f->t, &e), -1);
        assert_int_equal(e.class, ERR_RETRY);
        struct transport *t = NULL;
        assert_int_equal(transport_maildir("/dev/null/x", &t, &e), -1);
        assert_int_equal(e.class, ERR_FATAL);
        assert_null(t);
}

struct server {
        int listener, port;
        const char *reply; /* NULL: hangs up after the request */
        char request[2000];
};

/* Answers one request. */
static void *serve(void *ctx)
{
        struct server *s = ctx;
        int fd = accept(s->listener, NULL, NULL);
        size_t len = 0;
        for (ssize_t n; len < sizeof s->request - 1 && !strstr(s->request, "\"end\"}");
             len += (size_t)n)
                if ((n = read(fd, s->request + len, sizeof s->request - 1 - len)) <= 0)
                        break;
        if (s->reply && write(fd, s->reply, strlen(s->reply)) < 0)
                perror("write");
        close(fd);
        return NULL;
}

static void start(struct server *s)
{
        s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof a;
        assert_int_equal(bind(s->listener, (struct sockaddr *)&a, len), 0);
        assert_int_equal(listen(s->listener, 1), 0);
        assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
        s->port = ntohs(a.sin_port);
}

static void webhooks_are_classified(void **state)
{
        (void)state;
        static const struct {
                const char *reply;
                enum send_state state;
                int code;
                int64_t after_ms;
        } rows[] = {
                { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", SEND_DONE, 200, 0 },
                { "HTTP/1.1 204 No Content\r\n\r\n", SEND_DONE, 204, 0 },
                { "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
                  SEND_REFUSED, 302, 0 },
                { "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", SEND_REFUSED, 404, 0 },
                { "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n", SEND_DEFERRED, 429, 0 },
                { "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", SEND_DEFERRED, 503, 0 },
                { "HTTP/1.1 429 Too Many\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
                  SEND_DEFERRED, 429, 120000 },
                { "HTTP/1.1 503 Busy\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n",
                  SEND_DEFERRED, 503, 3600000 },
                { NULL, SEND_UNKNOWN, 0, 0 },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct server s = { .reply = rows[i].reply };
                pthread_t thread;
                start(&s);
                assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
                char url[100];
                snprintf(url, sizeof url, "http://127.0.0.1:%d/hook", s.port);
                struct envelope m = { 0 };
                const struct webhook_options o = { .url = url,
                                                   .timeout_ms = 5000,
                                                   .id = "id-1",
                                                   .type = "club.call",
                                                   .second = 1795251600 };
                int r = webhook_post(&o, SPAN_LIT("{\"a\":\"end\"}"), &m);
                pthread_join(thread, NULL);
                close(s.listener);
                assert_int_equal(m.state, rows[i].state);
                assert_int_equal(m.code, rows[i].code);
                assert_int_equal(m.after_ms, rows[i].after_ms);
                assert_non_null(strstr(s.request, "webhook-id: id-1\r\n"));
                assert_non_null(strstr(s.request, "webhook-timestamp: 1795251600\r\n"));
                assert_non_null(strstr(s.request, "rollcall-type: club.call\r\n"));
                assert_int_equal(r, rows[i].state == SEND_DONE ? 0 : -1);
                assert_ptr_equal(strstr(s.request, "POST /hook HTTP/1.1\r\n"), s.request);
                assert_non_null(strstr(s.request, "\r\nContent-Type: application/json\r\n"));
                assert_non_null(strstr(s.request, "\r\n\r\n{\"a\":\"end\"}"));
        }
}

/* of the Standard Webhooks' own libraries, with the rest */
#define VECTOR_KEY "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static void signatures_are_the_standards(void **state)
{
        (void)state;
        static const char *const keys[] = { "whsec_" VECTOR_KEY, VECTOR_KEY };
        char text[SIGNATURE_TEXT];
        struct err e = ERR_INIT;
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
                struct signing_key key;
                assert_int_equal(signing_key_read(keys[i], &key, &e), 0);
                assert_int_equal(key.len, 24);
                assert_int_equal(webhook_sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                                              SPAN_LIT("{\"test\": 2432232314}"), text, &e),
                                 0);
                assert_string_equal(text, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        }
}

static void keys_are_checked(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                size_t len; /* 0: refused */
        } rows[] = {
                { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 26 },
                { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", 25 },
                { "whsec_" VECTOR_KEY VECTOR_KEY "MfKQ9r8GKYqrTwjUPD8ILA==", 64 },
                { "whsec_" VECTOR_KEY VECTOR_KEY "MfKQ9r8GKYqrTwjUPD8ILPY=", 0 },
                { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 0 }, /* 23 bytes */
                { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", 0 },
                { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==w", 0 },
                { "whsec_MfKQ9r8GKYqrTwjU PD8ILPZIo2LaLaSw", 0 },
                { "a plain password of no small length", 0 },
                { "====", 0 },
                { "whsec_", 0 },
                { "", 0 },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct signing_key key = { .len = 0 };
                struct err e = ERR_INIT;
                assert_int_equal(signing_key_read(rows[i].text, &key, &e), rows[i].len ? 0 : -1);
                assert_int_equal(key.len, rows[i].len);
                if (!rows[i].len)
                        assert_string_equal(
                                e.text,
                                "expected a signing key: whsec_ and 24 to 64 bytes in base64");
        }
}

static void webhooks_without_a_server(void **state)
{
        (void)state;
        struct server s = { 0 };
        start(&s);
        char url[100];
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", s.port);
        struct envelope m = { 0 };
        struct webhook_options o = { .url = url, .timeout_ms = 100 };
        assert_int_equal(webhook_post(&o, SPAN_LIT("{}"), &m), -1); /* nobody answers in time */
        assert_int_equal(m.state, SEND_UNKNOWN);
        close(s.listener);
        assert_int_equal(webhook_post(&o, SPAN_LIT("{}"), &m), -1); /* nobody listens */
        assert_int_equal(m.state, SEND_DEFERRED);
        o.url = "file:///etc/hostname";
        assert_int_equal(webhook_post(&o, SPAN_LIT("{}"), &m), -1);
        assert_int_equal(m.state, SEND_DEFERRED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_repetition_replaces, set_up, tear_down),
                cmocka_unit_test_setup_teardown(names_are_safe_and_distinct, set_up, tear_down),
                cmocka_unit_test_setup_teardown(refuses_what_must_not_reach_a_wire, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(ticks_can_stop_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(failures_are_deferred, set_up, tear_down),
                cmocka_unit_test(webhooks_are_classified),
                cmocka_unit_test(signatures_are_the_standards),
                cmocka_unit_test(keys_are_checked),
                cmocka_unit_test(webhooks_without_a_server),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
