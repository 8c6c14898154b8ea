/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table of transports: mail.transport of the configuration names one. */
#include "config/service.h"
#include "mail/transport.h"

struct transport_kind {
        const char *name;
        const char *setting;                          /* the property that it cannot do without */
        const char *(*where)(const struct service *); /* that property's value; NULL: not set */
        bool secret;                                  /* it may hold a password */
        const char *probed; /* what `rollcall check` reports once transport_probe succeeded */
        int (*open)(const struct service *s, struct transport **ret, struct err *e);
};

/* The kind that the configuration names: it lets no other name pass. */
const struct transport_kind *transport_kind_of(const struct service *s);
/* Opens the configured transport; the caller frees it. Secrets are read again each time.
 * ERR_FATAL: it cannot be used as configured. */
int transport_of(const struct service *s, struct transport **ret, struct err *e) MUST_CHECK;
