/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a kind of transport implements; transport.c dispatches. Each kind embeds `struct transport`
 * as its first member. */
#include "base/err.h"
#include "mail/envelope.h"

struct transport;

struct transport_ops {
        void (*free)(struct transport *t);
        /* Sees valid messages and such that are refused already: those with another state than
         * SEND_PENDING are passed over. */
        void (*send)(struct transport *t, struct envelope *list, size_t n, int (*tick)(void *ctx),
                     void *ctx);
        int (*probe)(struct transport *t, struct err *e);
};

struct transport {
        const struct transport_ops *ops;
};

enum { TICK_MS = 100 }; /* well below the 200 ms that are promised */
