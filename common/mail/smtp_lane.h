#pragma once
/* One SMTP connection and the dialogue on it; a lane is used by one thread at a time. */
#include "mail/transport_ops.h"

/* The relay, and how to talk to it; shared by the lanes, read-only. */
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

struct smtp_lane;

/* `server` must outlive the lane. NULL: out of memory, or libcurl does not take the options. */
struct smtp_lane *smtp_lane_new(const struct smtp_server *server);
void smtp_lane_free(struct smtp_lane *l); /* hangs up */
DEFINE_CLEANUP(smtp_lane_cleanup, struct smtp_lane, smtp_lane_free)

/* Gives the message its state; the connection is kept. False: the relay did not get as far as a
 * sender's address. */
bool smtp_lane_send(struct smtp_lane *l, struct outgoing *m);

/* Connects, greets, authenticates. The lane is of no use for messages afterwards. */
int smtp_lane_probe(struct smtp_lane *l, struct err *e) MUST_CHECK;
