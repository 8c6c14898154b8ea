/* SPDX-License-Identifier: Apache-2.0 */
/* What all mail transports share: checks before sending. */
#include "mail/transport.h"

#include "mail/address.h"
#include "mail/transport_ops.h"

#include <string.h>

/* A lone LF or CR lets some servers see the end of a message where others do not ("SMTP
 * smuggling"). */
static bool has_crlf_only(struct span s)
{
        size_t lines = 0;
        for (const char *p = s.ptr, *end = s.ptr + s.len; (p = memchr(p, '\n', (size_t)(end - p)));
             p++, lines++)
                if (p == s.ptr || p[-1] != '\r')
                        return false;
        for (const char *p = s.ptr, *end = s.ptr + s.len; (p = memchr(p, '\r', (size_t)(end - p)));
             p++)
                if (lines-- == 0)
                        return false;
        return true;
}

/* The last gate before the wire, whoever rendered: an envelope address could otherwise bring
 * commands of its own. */
static void admit(struct envelope *m)
{
        envelope_set(m, SEND_PENDING, 0, "%s", "");
        if (mail_check_address(span_of(m->from), NULL) < 0)
                envelope_set(m, SEND_REFUSED, 0, "the envelope's sender is not a valid address");
        else if (mail_check_address(span_of(m->to), NULL) < 0)
                envelope_set(m, SEND_REFUSED, 0, "the envelope's recipient is not a valid address");
        else if (m->message.len == 0 || m->id.len == 0)
                envelope_set(m, SEND_REFUSED, 0, "the message or its id is empty");
        else if (!has_crlf_only(m->message) || memchr(m->message.ptr, '\0', m->message.len))
                envelope_set(m, SEND_REFUSED, 0,
                             "the message has a NUL, or a CR or LF that stands alone");
}

void transport_send(struct transport *t, struct envelope *list, size_t n, int (*tick)(void *ctx),
                    void *ctx)
{
        for (size_t i = 0; i < n; i++)
                admit(&list[i]);
        if (!tick || !tick(ctx))
                t->ops->send(t, list, n, tick, ctx);
}

int transport_probe(struct transport *t, struct err *e)
{
        return t->ops->probe(t, e);
}

void transport_free(struct transport *t)
{
        if (t)
                t->ops->free(t);
}
