/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sends a batch of rendered messages: over SMTP (libcurl, connections kept and reused) or into a
 * Maildir. A transport belongs to one thread. SMTP starts a thread per connection for the time of
 * transport_send: libcurl's multi interface waits for the answer to a message without giving the
 * other transfers, or the caller, a turn.
 */
#include "base/err.h"
#include "mail/envelope.h"

struct transport;

void transport_free(struct transport *t);
DEFINE_CLEANUP(transport_cleanup, struct transport, transport_free)

/* Sends all, in any order, and returns when each has a state. `tick` (may be NULL) is called from
 * this thread, first of all and then at least every 200 ms; when it returns non-zero what has not
 * been started is left SEND_PENDING and what is under way is finished. When the relay takes no
 * connection several times in a row the rest is deferred without trying. */
void transport_send(struct transport *t, struct envelope *list, size_t n, int (*tick)(void *ctx),
                    void *ctx);

/* Reaches the relay, greets it, authenticates and hangs up; for `rollcall check`. */
int transport_probe(struct transport *t, struct err *e) MUST_CHECK;
