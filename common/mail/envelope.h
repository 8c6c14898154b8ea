/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A message on its way, and what came of it. */
#include "base/buf.h"

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

struct envelope {
        const char *from, *to; /* envelope addresses, already checked; NUL-terminated */
        struct span message;   /* rendered, CRLF line ends */
        /* the message id: a Maildir's file name is made of it, so that a repetition replaces
         * instead of doubling */
        struct span id;
        enum send_state state; /* set by transport_send */
        int code;              /* SMTP reply code, 0 when there was none */
        /* it ended before the message was named (greeting, TLS, login): every other would have met
         * the same */
        bool before_envelope;
        int64_t after_ms; /* a webhook's Retry-After; 0: none */
        char reason[200]; /* one line; no address in it */
};

/* Sets state, code and reason of a message. */
void envelope_set(struct envelope *m, enum send_state state, int code, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
