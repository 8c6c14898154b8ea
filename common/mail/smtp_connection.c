/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the relay: a libcurl easy handle, and the reply codes of its dialogue. */
#include "mail/smtp_connection.h"

#include "base/failpoint.h"
#include "base/redact.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECTIONS_MAX = 256, ENHANCED_MAX = 12 };

struct smtp_connection {
        const struct smtp_server *server;
        CURL *easy;
        struct curl_slist *recipient;
        bool kept; /* the connection was fine after its last message */
        char error[CURL_ERROR_SIZE];
        /* the message under way */
        struct span message;
        size_t given;   /* bytes of it that libcurl has taken */
        bool opened;    /* a socket was opened for it */
        bool mail_sent; /* MAIL FROM went out: replies are about this message from here on */
        bool hung_up;   /* QUIT went out: replies do not count any more */
        bool authenticated;
        int reply;                   /* last complete reply to the message, 0: none */
        char enhanced[ENHANCED_MAX]; /* the reply's status code of RFC 3463, or "" */
};

static size_t on_read(char *data, size_t size, size_t n, void *ctx)
{
        struct smtp_connection *l = ctx;
        if (l->given == 0)
                l->reply = 0; /* that was the answer to DATA; what comes now is about the message */
        size_t len = l->message.len - l->given;
        if (len > size * n)
                len = size * n;
        memcpy(data, l->message.ptr + l->given, len);
        l->given += len;
        return len;
}

static int on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
        struct smtp_connection *l = ctx;
        (void)fd;
        (void)purpose;
        l->opened = true;
        return CURL_SOCKOPT_OK;
}

static size_t discard(char *data, size_t size, size_t n, void *ctx)
{
        (void)data;
        (void)ctx;
        return size * n;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* "550 5.1.1 text", or "550-…" when more lines follow. The text is not kept: servers repeat
 * addresses there. */
static void take_reply(struct smtp_connection *l, const char *line, size_t len)
{
        if (len < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]) ||
            (len > 3 && line[3] == '-'))
                return;
        l->reply = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
        l->authenticated = l->authenticated || l->reply == 235;
        size_t n = 0, dots = 0;
        for (const char *p = line + 4;
             n + 4 < len && n < ENHANCED_MAX - 1 && (is_digit(p[n]) || p[n] == '.'); n++)
                dots += p[n] == '.';
        snprintf(l->enhanced, sizeof l->enhanced, "%.*s", dots == 2 ? (int)n : 0, line + 4);
}

/* What crosses the connection tells at which point of the dialogue a failure came; result codes of
 * libcurl do not. */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *ctx)
{
        struct smtp_connection *l = ctx;
        (void)easy;
        if (type == CURLINFO_HEADER_OUT && size >= 4) {
                if (memcmp(data, "MAIL", 4) == 0) {
                        l->mail_sent = true;
                        l->reply = 0;
                } else if (memcmp(data, "QUIT", 4) == 0) {
                        l->hung_up = true;
                }
        } else if (type == CURLINFO_HEADER_IN && !l->hung_up) {
                take_reply(l, data, size);
        }
        return 0;
}

static bool set_server(CURL *easy, const struct smtp_server *s)
{
        return curl_easy_setopt(easy, CURLOPT_URL, s->url) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
               /* not what the environment says for the web */
               curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_USE_SSL, s->use_ssl) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
                       CURLE_OK &&
               (!s->ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file) == CURLE_OK) &&
               (!s->user || (curl_easy_setopt(easy, CURLOPT_USERNAME, s->user) == CURLE_OK &&
                             curl_easy_setopt(easy, CURLOPT_PASSWORD, s->password) == CURLE_OK)) &&
               curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, s->connect_timeout_ms) ==
                       CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, s->message_timeout_ms) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT,
                                s->message_timeout_ms / 1000 + 1) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 1L) == CURLE_OK;
}

static bool set_callbacks(CURL *easy, struct smtp_connection *l)
{
        return curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_READDATA, l) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, l) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_DEBUGDATA, l) == CURLE_OK &&
               /* or the debug function is not called */
               curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, l->error) == CURLE_OK;
}

/* Closes one or both directions of the kept connection, which stays libcurl's. */
static void shut(struct smtp_connection *l, int how)
{
        curl_socket_t fd = CURL_SOCKET_BAD;
        if (curl_easy_getinfo(l->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
            fd != CURL_SOCKET_BAD)
                shutdown(fd, how);
}

void smtp_connection_free(struct smtp_connection *l)
{
        if (!l)
                return;
        if (l->easy)
                shut(l, SHUT_RD); /* QUIT is sent, but a relay that has died is not waited for */
        curl_easy_cleanup(l->easy);
        curl_slist_free_all(l->recipient);
        free(l);
}

struct smtp_connection *smtp_connection_new(const struct smtp_server *server)
{
        struct smtp_connection *l CLEANUP(smtp_connection_cleanup) = calloc(1, sizeof *l);
        if (!l)
                return NULL;
        l->server = server;
        l->easy = curl_easy_init();
        return l->easy && set_server(l->easy, server) && set_callbacks(l->easy, l) ? TAKE(l) : NULL;
}

/* Forgets the message before; `fresh` forbids the kept connection. */
static CURLcode perform(struct smtp_connection *l, bool fresh)
{
        l->given = 0;
        l->opened = l->mail_sent = l->hung_up = l->authenticated = false;
        l->reply = 0;
        l->enhanced[0] = l->error[0] = '\0';
        curl_easy_setopt(l->easy, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
        return curl_easy_perform(l->easy);
}

/* The relay is wrong with us, not with the message: TLS or authentication required, mechanism or
 * password refused. */
static bool is_about_relay(int reply)
{
        return reply == 530 || reply == 534 || reply == 535 || reply == 538;
}

static void judge(struct smtp_connection *l, CURLcode result, struct envelope *m)
{
        bool all_given = l->given == l->message.len, good = l->reply >= 200 && l->reply < 300;
        const char *stage = l->given       ? "the message"
                            : l->mail_sent ? "the envelope"
                                           : "the connection";
        m->before_envelope = !l->mail_sent;
        if (result == CURLE_OK || (all_given && good)) {
                envelope_set(m, SEND_DONE, l->reply, "%s", "");
        } else if (l->reply >= 400) {
                bool refused = l->reply >= 500 && l->mail_sent && !is_about_relay(l->reply);
                envelope_set(m, refused ? SEND_REFUSED : SEND_DEFERRED, l->reply,
                             "the relay answered %d%s%s to %s", l->reply, *l->enhanced ? " " : "",
                             l->enhanced, stage);
        } else if (all_given) {
                envelope_set(m, SEND_UNKNOWN, 0, "the relay's answer to the message was lost: %s",
                             curl_easy_strerror(result));
        } else {
                bool connected = l->mail_sent || !*l->error;
                envelope_set(m, SEND_DEFERRED, 0, "%s failed: %s", stage,
                             connected ? curl_easy_strerror(result) : l->error);
        }
}

/* The server may hang up on a kept connection at any time: politely with 421, or without notice. */
static bool is_stale(const struct smtp_connection *l)
{
        return l->kept && !l->opened && l->given == 0 && (l->reply < 400 || l->reply == 421);
}

static bool set_message(struct smtp_connection *l, const struct envelope *m)
{
        struct curl_slist *recipient = curl_slist_append(NULL, m->to);
        if (!recipient)
                return false;
        bool ok = curl_easy_setopt(l->easy, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
                  curl_easy_setopt(l->easy, CURLOPT_MAIL_FROM, m->from) == CURLE_OK &&
                  curl_easy_setopt(l->easy, CURLOPT_MAIL_RCPT, recipient) == CURLE_OK &&
                  curl_easy_setopt(l->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)m->message.len) ==
                          CURLE_OK;
        curl_slist_free_all(l->recipient);
        l->recipient = recipient;
        l->message = m->message;
        return ok;
}

bool smtp_connection_send(struct smtp_connection *l, struct envelope *m)
{
        if (!set_message(l, m)) {
                envelope_set(m, SEND_DEFERRED, 0, "out of memory");
                return false;
        }
        FAILPOINT("smtp.message.unsent");
        CURLcode result = perform(l, !l->kept);
        FAILPOINT("smtp.message.answered");
        if (result != CURLE_OK && is_stale(l))
                result = perform(l, true);
        l->kept = result == CURLE_OK;
        judge(l, result, m);
        if (!l->kept)
                /* libcurl would reuse it after a time-out, and a late reply be taken for the next
                 * message's */
                shut(l, SHUT_RDWR);
        return l->mail_sent;
}

/* Errors that waiting does not cure. */
static bool is_configuration(CURLcode result)
{
        return result == CURLE_LOGIN_DENIED || result == CURLE_USE_SSL_FAILED ||
               result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE ||
               result == CURLE_URL_MALFORMAT;
}

int smtp_connection_probe(struct smtp_connection *l, struct err *e)
{
        const char *url = l->server->shown_url;
        if (curl_easy_setopt(l->easy, CURLOPT_NOBODY, 1L) != CURLE_OK ||
            curl_easy_setopt(l->easy, CURLOPT_CUSTOMREQUEST, "NOOP") != CURLE_OK)
                return err_oom(e);
        CURLcode result = perform(l, true);
        if (result != CURLE_OK) {
                char code[16] = "";
                if (l->reply >= 400)
                        snprintf(code, sizeof code, "%d", l->reply);
                return err_set(e, is_configuration(result) ? ERR_FATAL : ERR_RETRY, code, "%s: %s",
                               url, *l->error ? l->error : curl_easy_strerror(result));
        }
        if (l->server->user && !l->authenticated)
                return err_set(e, ERR_FATAL, "",
                               "%s: a user is configured, but the relay offers no authentication "
                               "that we know",
                               url);
        return 0;
}

static int parse_tls(const char *tls, long *ret)
{
        static const struct {
                const char *name;
                long value;
        } rows[] = { { "none", CURLUSESSL_NONE },
                     { "opportunistic", CURLUSESSL_TRY },
                     { "required", CURLUSESSL_ALL } };
        for (size_t i = 0; tls && i < ARRAY_LEN(rows); i++)
                if (strcmp(tls, rows[i].name) == 0) {
                        *ret = rows[i].value;
                        return 0;
                }
        return -1;
}

static int check_options(const struct smtp_options *o, struct smtp_server *s, struct err *e)
{
        if (!o->url || (strncmp(o->url, "smtp://", 7) != 0 && strncmp(o->url, "smtps://", 8) != 0))
                return err_set(e, ERR_FATAL, "",
                               "smtp: the url has another form, expected smtp://host:port or "
                               "smtps://host:port");
        if (parse_tls(o->tls, &s->use_ssl) < 0)
                return err_set(e, ERR_FATAL, "",
                               "smtp: tls \"%s\": expected none, opportunistic or required",
                               o->tls ? o->tls : "");
        if (o->connections < 1 || o->connections > CONNECTIONS_MAX)
                return err_set(e, ERR_FATAL, "", "smtp: connections %ld: expected 1-%d",
                               o->connections, CONNECTIONS_MAX);
        if (o->connect_timeout_ms <= 0 || o->message_timeout_ms <= 0)
                return err_set(e, ERR_FATAL, "", "smtp: time limits must be above 0 ms");
        if (o->helo && (!*o->helo || strspn(o->helo, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
                                                     "TUVWXYZ0123456789.-[]:") != strlen(o->helo)))
                return err_set(e, ERR_FATAL, "",
                               "smtp: helo \"%s\": expected a host's name or an address in []",
                               o->helo);
        return 0;
}

/* libcurl takes the HELO name from the URL's path. */
static int set_url(struct smtp_server *s, const struct smtp_options *o, struct err *e)
{
        BUF_CLEANUP struct buf shown = { .max = 64 * 1024 };
        redact(o->url, &shown);
        if (shown.failed)
                return err_oom(e);
        s->shown_url = TAKE(shown.data);
        CURLU *u = curl_url();
        char *url = NULL;
        bool ok = u && curl_url_set(u, CURLUPART_URL, o->url, 0) == CURLUE_OK &&
                  (!o->helo ||
                   curl_url_set(u, CURLUPART_PATH, o->helo, CURLU_URLENCODE) == CURLUE_OK) &&
                  curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK;
        if (ok)
                s->url = strdup(url);
        curl_free(url);
        curl_url_cleanup(u);
        if (!ok)
                return err_set(e, ERR_FATAL, "", "smtp: url \"%s\" is not valid", s->shown_url);
        return s->url ? 0 : err_oom(e);
}

static int copy(const char *text, char **ret)
{
        if (!text)
                return 0;
        *ret = strdup(text);
        return *ret ? 0 : -1;
}

int smtp_server_init(struct smtp_server *s, const struct smtp_options *o, struct err *e)
{
        *s = (struct smtp_server){ .connect_timeout_ms = o->connect_timeout_ms,
                                   .message_timeout_ms = o->message_timeout_ms };
        if (check_options(o, s, e) < 0)
                return -1;
        s->curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
        if (!s->curl_ready)
                return err_set(e, ERR_FATAL, "", "smtp: libcurl cannot be initialised");
        const char *password = o->user && !o->password ? "" : o->password;
        if (copy(o->user, &s->user) < 0 || copy(password, &s->password) < 0 ||
            copy(o->ca_file, &s->ca_file) < 0)
                return err_oom(e);
        return set_url(s, o, e);
}

void smtp_server_deinit(struct smtp_server *s)
{
        if (s->curl_ready)
                curl_global_cleanup();
        free(s->url);
        free(s->shown_url);
        free(s->user);
        free(s->password);
        free(s->ca_file);
        *s = (struct smtp_server){ 0 };
}
