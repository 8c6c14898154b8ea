/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* RFC 5322 messages with a plain-text part and, when given, an HTML alternative. Pure: renders into
 * a buffer. */
#include "base/buf.h"
#include "base/err.h"
#include "base/instant.h"

struct mail {
        struct span from_name, from_address;
        struct span to_name, to_address; /* exactly one recipient */
        struct span reply_to;            /* absent: none */
        struct span subject;             /* UTF-8, encoded as RFC 2047 when it is not ASCII */
        /* UTF-8; html absent: text only. Any line ends; sent with CRLF, quoted-printable */
        struct span text, html;
        struct span message_id;       /* without <>: "task-id@domain" */
        struct span list_id;          /* absent: none */
        struct span list_unsubscribe; /* absent: none; a URL or mailto: */
        instant date;
};

/* Rejects (ERR_INPUT) CR, LF, NUL and other control characters in any header value, and addresses
 * that mail_check_address rejects. Adds Auto-Submitted: auto-generated, so that nobody answers. */
int mail_render(const struct mail *m, struct buf *out, struct err *e) MUST_CHECK;
