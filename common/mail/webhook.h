/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Webhooks: what is sent is a request, and its answer has the states of a mail. */
#include "base/err.h"
#include "mail/envelope.h"
#include "mail/signature.h"

/* Posts one JSON body per call of a webhook, with a time limit; 2xx is success, redirections are
 * not followed. */
struct webhook_options {
        const char *url; /* http or https */
        const char *ca_file;
        long timeout_ms;
        /* sent as webhook-id (the same at each attempt) and rollcall-type; NULL: not */
        const char *id, *type;
        int64_t second; /* webhook-timestamp; of the attempt; sent with `id` */
        /* signs id, second and body in webhook-signature; NULL: not */
        const struct signing_key *key;
        const char *trace; /* traceparent; NULL: not */
};
/* 0 when done, else -1; `ret_state` gets state, code (HTTP's) and reason. 408, 425, 429 and 5xx:
 * deferred; other answers: refused; the answer to a request that was sent is lost: unknown. */
int webhook_post(const struct webhook_options *o, struct span json, struct envelope *ret_state);
