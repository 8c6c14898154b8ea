/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to a transport. */
#include "mail/transports.h"

#include "mail/maildir.h"
#include "mail/smtp.h"

#include <stdlib.h>
#include <string.h>

static const char *smtp_where(const struct service *s)
{
        return s->mail.url;
}

static int smtp_open(const struct service *s, struct transport **ret, struct err *e)
{
        char *password CLEANUP(cleanup_free) = NULL;
        if (s->mail.password_file && secret_read(s->mail.password_file, &password, e) < 0)
                return -1;
        const struct smtp_options o = {
                .url = s->mail.url,
                .user = s->mail.user,
                .password = password,
                .tls = s->mail.tls,
                .ca_file = s->mail.ca_file,
                .helo = s->mail.helo,
                .connections = (long)s->mail.connections,
                .connect_timeout_ms = (long)s->mail.connect_timeout_ms,
                .message_timeout_ms = (long)s->mail.message_timeout_ms,
        };
        return transport_smtp(&o, ret, e);
}

static const char *maildir_where(const struct service *s)
{
        return s->mail.maildir;
}

static int maildir_open(const struct service *s, struct transport **ret, struct err *e)
{
        return transport_maildir(s->mail.maildir, ret, e);
}

static const struct transport_kind kinds[] = {
        { "smtp", "mail.url", smtp_where, true, "it answers", smtp_open },
        { "maildir", "mail.maildir", maildir_where, false, "can be written", maildir_open },
};

const struct transport_kind *transport_kind_of(const struct service *s)
{
        size_t i = ARRAY_LEN(kinds) - 1;
        while (i > 0 && strcmp(kinds[i].name, s->mail.transport) != 0)
                i--;
        return &kinds[i];
}

int transport_of(const struct service *s, struct transport **ret, struct err *e)
{
        return transport_kind_of(s)->open(s, ret, e);
}
