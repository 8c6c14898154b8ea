/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends messages through transport_smtp and prints a line per message, "id state code reason", for
 * test_mail.py. The last line tells the longest time between two ticks: "# tick 102 ms".
 */
#include "mail/address.h"
#include "mail/message.h"
#include "mail/maildir.h"
#include "mail/smtp.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ID_MAX = 64 };

static const char usage[] = "send_mail --url URL [--tls none|opportunistic|required] [--ca FILE] "
                            "[--user U --password P] [--helo NAME]\n"
                            "  [--connections N] [--connect-timeout MS] [--timeout MS] [--repeat "
                            "N] [--batch N] [--pause MS] [--stop-after MS]\n"
                            "  [--size BYTES] [--probe] RECIPIENT...\n";

enum option_key {
        URL = 256,
        TLS,
        CA,
        USER,
        PASSWORD,
        HELO,
        CONNECTIONS,
        CONNECT_TIMEOUT,
        TIMEOUT,
        REPEAT,
        BATCH,
        PAUSE,
        STOP,
        SIZE,
        PROBE
};

static const struct option options[] = {
        { "url", required_argument, NULL, URL },
        { "tls", required_argument, NULL, TLS },
        { "ca", required_argument, NULL, CA },
        { "user", required_argument, NULL, USER },
        { "password", required_argument, NULL, PASSWORD },
        { "helo", required_argument, NULL, HELO },
        { "connections", required_argument, NULL, CONNECTIONS },
        { "connect-timeout", required_argument, NULL, CONNECT_TIMEOUT },
        { "timeout", required_argument, NULL, TIMEOUT },
        { "repeat", required_argument, NULL, REPEAT },
        { "batch", required_argument, NULL, BATCH },
        { "pause", required_argument, NULL, PAUSE },
        { "stop-after", required_argument, NULL, STOP },
        { "size", required_argument, NULL, SIZE },
        { "probe", no_argument, NULL, PROBE },
        { 0 },
};

struct args {
        struct smtp_options smtp;
        size_t repeat, batch, size; /* size: of additional text in each body */
        useconds_t pause_us;
        int64_t stop_after_ms; /* 0: never */
        bool probe;
        char **recipients;
        size_t n_recipients;
};

static void parse(int argc, char **argv, struct args *a)
{
        *a = (struct args){
                .smtp = { .tls = "none",
                          .connections = 4,
                          .connect_timeout_ms = 5000,
                          .message_timeout_ms = 10000 },
                .repeat = 1,
                .batch = SIZE_MAX,
        };
        const struct {
                int key;
                const char **text;
                long *number;
        } rows[] = {
                { URL, &a->smtp.url, NULL },
                { TLS, &a->smtp.tls, NULL },
                { CA, &a->smtp.ca_file, NULL },
                { USER, &a->smtp.user, NULL },
                { PASSWORD, &a->smtp.password, NULL },
                { HELO, &a->smtp.helo, NULL },
                { CONNECTIONS, NULL, &a->smtp.connections },
                { CONNECT_TIMEOUT, NULL, &a->smtp.connect_timeout_ms },
                { TIMEOUT, NULL, &a->smtp.message_timeout_ms },
        };
        for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                        if (rows[i].key == key && rows[i].text)
                                *rows[i].text = optarg;
                        else if (rows[i].key == key)
                                *rows[i].number = atol(optarg);
                }
                if (key == REPEAT)
                        a->repeat = strtoul(optarg, NULL, 10);
                else if (key == BATCH)
                        a->batch = strtoul(optarg, NULL, 10);
                else if (key == PAUSE)
                        a->pause_us = (useconds_t)atol(optarg) * 1000;
                else if (key == STOP)
                        a->stop_after_ms = atol(optarg);
                else if (key == SIZE)
                        a->size = strtoul(optarg, NULL, 10);
                else if (key == PROBE)
                        a->probe = true;
                else if (key == '?') {
                        fputs(usage, stderr);
                        exit(2);
                }
        }
        a->recipients = argv + optind;
        a->n_recipients = (size_t)(argc - optind);
}

struct ticks {
        int64_t start, last, longest, stop_after;
};

static int on_tick(void *ctx)
{
        struct ticks *t = ctx;
        int64_t now = monotonic_ms();
        if (now - t->last > t->longest)
                t->longest = now - t->last;
        t->last = now;
        return t->stop_after && now - t->start >= t->stop_after;
}

/* Renders once per recipient; a recipient that is no address keeps a message to somebody else, so
 * that the transport has to see it. */
static int render(const struct args *a, const char *to, const char *id, struct buf *out)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, a->size + 4096);
        buf_adds(&text, "Ol\xc3\xa1!\n.\n..\n.leading dot\n\nlast line\n");
        while (text.len < a->size)
                buf_adds(&text, ".0123456789 abcdefghij ABCDEFGHIJ .\n");
        const struct mail m = {
                .from_name = SPAN_LIT("Rollcall"),
                .from_address = SPAN_LIT("rollcall@example.org"),
                .to_name = SPAN_LIT("Jos\xc3\xa9 Silva"),
                .to_address = span_of(
                        mail_check_address(span_of(to), NULL) == 0 ? to : "other@example.org"),
                .subject = SPAN_LIT(
                        "Sua conta: a\xc3\xa7\xc3\xa3o necess\xc3\xa1ria at\xc3\xa9 amanh\xc3\xa3, "
                        "para n\xc3\xa3o perder o acesso \xf0\x9f\x99\x82"),
                .text = { text.data, text.len },
                .html = SPAN_LIT("<p>Ol\xc3\xa1!</p>\n.\n"),
                .message_id = span_of(id),
                .date = INT64_C(1795251600) * INSTANT_SECOND,
        };
        struct err e = ERR_INIT;
        if (mail_render(&m, out, &e) == 0)
                return 0;
        fprintf(stderr, "%s\n", e.text);
        return -1;
}

static const char *state_name(enum send_state state)
{
        static const char *const names[] = { "pending", "done", "refused", "deferred", "unknown" };
        return names[state];
}

static int send_all(const struct args *a, struct transport *t)
{
        size_t n = a->n_recipients * a->repeat;
        struct envelope *list CLEANUP(cleanup_free) = calloc(n + 1, sizeof *list);
        char(*ids)[ID_MAX] CLEANUP(cleanup_free) = calloc(n + 1, sizeof *ids);
        struct buf *messages CLEANUP(cleanup_free) = calloc(n + 1, sizeof *messages);
        int r = list && ids && messages ? 0 : -1;
        for (size_t i = 0; r == 0 && i < n; i++) {
                const char *to = a->recipients[i % a->n_recipients];
                snprintf(ids[i], sizeof ids[i], "m%zu@example.org", i);
                buf_init(&messages[i], a->size * 2 + 16384);
                r = render(a, to, ids[i], &messages[i]);
                list[i] = (struct envelope){
                        .from = "rollcall@example.org",
                        .to = to,
                        .message = { messages[i].data, messages[i].len },
                        .id = span_of(ids[i]),
                };
        }
        struct ticks ticks = { .start = monotonic_ms(),
                               .last = monotonic_ms(),
                               .stop_after = a->stop_after_ms };
        for (size_t i = 0, len; r == 0 && i < n; i += len) {
                len = n - i < a->batch ? n - i : a->batch;
                if (i && a->pause_us)
                        usleep(a->pause_us);
                ticks.last = monotonic_ms();
                transport_send(t, list + i, len, on_tick, &ticks);
        }
        for (size_t i = 0; i < n && messages; i++) {
                if (r == 0)
                        printf("%s %s %d %s\n", ids[i], state_name(list[i].state), list[i].code,
                               list[i].reason);
                buf_deinit(&messages[i]);
        }
        printf("# tick %lld ms\n", (long long)ticks.longest);
        return r;
}

int main(int argc, char **argv)
{
        struct args a;
        parse(argc, argv, &a);
        struct transport *t CLEANUP(transport_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (transport_smtp(&a.smtp, &t, &e) < 0 || (a.probe && transport_probe(t, &e) < 0)) {
                printf("%s %s %s\n", err_class_name(e.class), *e.code ? e.code : "-", e.text);
                return 1;
        }
        if (a.probe)
                puts("ok");
        return send_all(&a, t) < 0;
}
