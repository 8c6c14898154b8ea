#pragma once
/*
 * Sends a batch of rendered messages: over SMTP (libcurl, connections kept and reused) or into a
 * Maildir. A transport belongs to one thread. SMTP starts a thread per connection for the time of
 * transport_send: libcurl's multi interface waits for the answer to a message without giving the
 * other transfers, or the caller, a turn.
 */
#include "base/buf.h"
#include "base/err.h"
#include "mail/signature.h"

enum send_state {
        SEND_PENDING = 0,
        /* the server answered 2xx to the whole message, or the Maildir has the file under its final
           name */
        SEND_DONE,
        SEND_REFUSED, /* 5xx: never again */
        /* 4xx, or no connection, or anything before the message could have been accepted: try later
         */
        SEND_DEFERRED,
        SEND_UNKNOWN, /* the answer to the message was lost: it may have been accepted */
};

struct outgoing {
        const char *from, *to; /* envelope addresses, already checked; NUL-terminated */
        struct span message;   /* rendered, CRLF line ends */
        /* the message id: a Maildir's file name is made of it, so that a repetition replaces
         * instead of doubling */
        struct span id;
        enum send_state state; /* set by transport_send */
        int code;              /* SMTP reply code, 0 when there was none */
        /* it ended before the message was named (greeting, TLS, login): every other would have met
         * the same */
        bool early;
        int64_t after_ms; /* a webhook's Retry-After; 0: none */
        char reason[200]; /* one line; no address in it */
};

struct smtp_options {
        const char *url; /* "smtp://host:port" (STARTTLS by `tls`) or "smtps://host:port" */
        const char *user, *password; /* NULL: no authentication */
        const char *tls;             /* "none", "opportunistic", "required" */
        const char *ca_file;         /* NULL: the system's */
        const char *helo;            /* NULL: the host's name */
        long connections;            /* at most so many at once, 1–256 */
        /* above 0; the second covers a message from its start, a new connection included */
        long connect_timeout_ms, message_timeout_ms;
};

struct transport;

/* What is given is copied. ERR_FATAL for an option that cannot be. */
int transport_smtp(const struct smtp_options *o, struct transport **ret, struct err *e) MUST_CHECK;
/* makes tmp/ new/ cur/ */
int transport_maildir(const char *folder, struct transport **ret, struct err *e) MUST_CHECK;
void transport_free(struct transport *t);
DEFINE_CLEANUP(transport_cleanup, struct transport, transport_free)

/* Sends all, in any order, and returns when each has a state. `tick` (may be NULL) is called from
 * this thread, first of all and then at least every 200 ms; when it returns non-zero what has not
 * been started is left SEND_PENDING and what is under way is finished. When the relay takes no
 * connection several times in a row the rest is deferred without trying. */
void transport_send(struct transport *t, struct outgoing *list, size_t n, int (*tick)(void *ctx),
                    void *ctx);

/* Reaches the relay, greets it, authenticates and hangs up; for `rollcall check`. */
int transport_probe(struct transport *t, struct err *e) MUST_CHECK;

/* Posts one JSON body per call of a webhook, with a time limit; 2xx is success, redirections are
 * not followed. */
struct webhook_options {
        const char *url; /* http or https */
        const char *ca_file;
        long timeout_ms;
        /* told in webhook-id (the same at each attempt) and rollcall-type; NULL: not */
        const char *id, *type;
        int64_t second; /* webhook-timestamp; of the attempt; told with `id` */
        /* signs id, second and body in webhook-signature; NULL: not */
        const struct signing_key *key;
        const char *trace; /* traceparent; NULL: not */
};
/* 0 when done, else -1; `ret_state` gets state, code (HTTP's) and reason. 408, 425, 429 and 5xx:
 * deferred; other answers: refused; the answer to a request that was sent is lost: unknown. */
int webhook_post(const struct webhook_options *o, struct span json, struct outgoing *ret_state);
