/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One SMTP connection and the dialogue on it; a connection is used by one thread at a time. */
#include "mail/smtp_options.h"
#include "mail/transport_ops.h"

/* The relay, and how to talk to it; shared by the connections, read-only. */
struct smtp_server {
        bool curl_ready;
        char *url, *user, *password, *ca_file;
        char *shown_url; /* without its password */
        long use_ssl;    /* CURLUSESSL_… */
        long connect_timeout_ms, message_timeout_ms;
};

int smtp_server_init(struct smtp_server *s, const struct smtp_options *o, struct err *e) MUST_CHECK;
/* fine after a failed init, and on a zeroed struct */
void smtp_server_deinit(struct smtp_server *s);

struct smtp_connection;

/* `server` must outlive the connection. NULL: out of memory, or libcurl does not take the options.
 */
struct smtp_connection *smtp_connection_new(const struct smtp_server *server);
void smtp_connection_free(struct smtp_connection *l); /* hangs up */
DEFINE_CLEANUP(smtp_connection_cleanup, struct smtp_connection, smtp_connection_free)

/* Gives the message its state; the connection is kept. False: the relay did not get as far as a
 * sender's address. */
bool smtp_connection_send(struct smtp_connection *l, struct envelope *m);

/* Connects, greets, authenticates. It is of no use for messages afterwards. */
int smtp_connection_probe(struct smtp_connection *l, struct err *e) MUST_CHECK;
