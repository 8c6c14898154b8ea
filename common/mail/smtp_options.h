/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The relay, and how to connect to it. */

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
