/* SPDX-License-Identifier: Apache-2.0 */
/* Sends one alert, by mail to the relay and to a webhook, without a worker. */
#include "alert/alert.h"

#include "mail/transports.h"
#include "mail/address.h"
#include "mail/message.h"
#include "mail/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_MAX = 256 * 1024, WEBHOOK_MS = 10000 };

bool alert_configured(const struct service *s)
{
        return s->alert.to || s->alert.webhook_file;
}

static int send_mail(const struct service *s, const char *subject, const char *text, struct err *e)
{
        struct transport *relay CLEANUP(transport_cleanup) = NULL;
        BUF_CLEANUP struct buf out = { .max = MESSAGE_MAX };
        char from[300], id[300], host[64] = "localhost";
        const char *at = strrchr(s->alert.to, '@');
        gethostname(host, sizeof host - 1);
        snprintf(from, sizeof from, "rollcall@%s",
                 s->mail.domain ? s->mail.domain
                 : at           ? at + 1
                                : host);
        snprintf(id, sizeof id, "alert-%lld-%d@%s", (long long)instant_now(), (int)getpid(),
                 strchr(from, '@') + 1);
        const char *sender = s->alert.from ? s->alert.from : from;
        const struct mail m = {
                .from_name = SPAN_LIT("Rollcall"),
                .from_address = span_of(sender),
                .to_address = span_of(s->alert.to),
                .subject = span_of(subject),
                .text = span_of(text),
                .message_id = span_of(id),
                .date = instant_now(),
        };
        if (mail_check_address(m.to_address, e) < 0 || mail_check_address(m.from_address, e) < 0 ||
            mail_render(&m, &out, e) < 0 || transport_of(s, &relay, e) < 0)
                return -1;
        struct envelope o = { .from = sender,
                              .to = s->alert.to,
                              .message = { buf_str(&out), out.len },
                              .id = m.message_id };
        transport_send(relay, &o, 1, NULL, NULL);
        return o.state == SEND_DONE ? 0 : err_set(e, ERR_RETRY, "", "mail: %s", o.reason);
}

static void add_json_text(struct buf *out, const char *text)
{
        buf_addc(out, '"');
        for (const char *p = text; *p; p++)
                if (*p == '"' || *p == '\\')
                        buf_addf(out, "\\%c", *p);
                else if ((unsigned char)*p < 0x20)
                        buf_addf(out, "\\u%04x", *p);
                else
                        buf_addc(out, *p);
        buf_addc(out, '"');
}

static int post_webhook(const struct service *s, const char *subject, const char *text,
                        struct err *e)
{
        BUF_CLEANUP struct buf json = { .max = MESSAGE_MAX };
        char *url CLEANUP(cleanup_free) = NULL;
        struct envelope answer = { 0 };
        if (secret_read(s->alert.webhook_file, &url, e) < 0)
                return -1;
        buf_adds(&json, "{\"service\": ");
        add_json_text(&json, s->kafka.prefix);
        buf_adds(&json, ", \"subject\": ");
        add_json_text(&json, subject);
        buf_adds(&json, ", \"text\": ");
        add_json_text(&json, text);
        buf_addc(&json, '}');
        if (json.failed)
                return err_oom(e);
        const struct webhook_options o = { .url = url,
                                           .ca_file = s->mail.ca_file,
                                           .timeout_ms = WEBHOOK_MS };
        return webhook_post(&o, (struct span){ buf_str(&json), json.len }, &answer) == 0
                       ? 0
                       : err_set(e, ERR_RETRY, "", "webhook: %s", answer.reason);
}

int alert_send(const struct service *s, const char *subject, const char *text, struct err *e)
{
        int rc = s->alert.to ? send_mail(s, subject, text, e) : 0;
        if (s->alert.webhook_file &&
            post_webhook(s, subject, text, rc == 0 ? e : &(struct err)ERR_INIT) < 0)
                rc = -1;
        return rc;
}
