/* Opens the mail transport that the configuration names. */
#include "alert/relay.h"

#include <stdlib.h>
#include <string.h>

int relay_open(const struct service *s, struct transport **ret, struct err *e)
{
        char *password = NULL;
        if (strcmp(s->mail.transport, "maildir") == 0)
                return transport_maildir(s->mail.maildir, ret, e);
        if (s->mail.password_file && secret_read(s->mail.password_file, &password, e) < 0)
                return -1;
        struct smtp_options o = {
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
        int rc = transport_smtp(&o, ret, e);
        free(password);
        return rc;
}
