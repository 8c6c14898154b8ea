/* SPDX-License-Identifier: Apache-2.0 */
/* The action `email`: renders a batch of mails and sends them in rounds. */
#include "actions/actions.h"

#include "mail/transports.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/message.h"

#include <stdlib.h>
#include <string.h>

enum {
        MESSAGE_MAX = 1024 * 1024,
        MAILS_BYTES = 8 * 1024 * 1024,
        AWAY_MIN_MS = 500,
        AWAY_MAX_MS = 30000
};

static struct span lookup(void *ctx, struct span name)
{
        const struct entry *en = ctx;
        char text[128];
        if (name.len >= sizeof text)
                return (struct span){ 0 };
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        int column = db_column(en->row_of, text);
        return column < 0 ? (struct span){ 0 } : db_span(en->row_of, en->row, column);
}

static struct span rendered(const struct template *t, struct entry *en, struct buf *part)
{
        if (!t)
                return (struct span){ 0 };
        template_render(t, lookup, en, part);
        return (struct span){ buf_str(part), part->len };
}

/* A name as it stands in a header's one line: what breaks or moves a line is a space, and none
 * is left at its ends. */
static struct span one_line(struct buf *out, struct span s)
{
        while (s.len && (unsigned char)s.ptr[0] <= ' ') {
                s.ptr++;
                s.len--;
        }
        while (s.len && (unsigned char)s.ptr[s.len - 1] <= ' ')
                s.len--;
        for (size_t i = 0; i < s.len; i++)
                buf_addc(out, (unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f ? ' ' : s.ptr[i]);
        // cppcheck-suppress uninitvar ; the caller's loop has initialised each of its buffers
        return (struct span){ buf_str(out), out->len };
}

/* One message, or an outcome that says why there is none. */
static int compose_mail(struct actor *a, struct batch *b, const struct statement_group *g,
                        struct entry *en, struct envelope *ret, struct err *e)
{
        const struct pack *p = g->type->pack;
        char id[UUID_TEXT_LEN + 1];
        BUF_CLEANUP struct buf out, message_id, subject, text, html, name, line;
        struct buf *const parts[] = { &message_id, &subject, &text, &html, &name, &line };
        struct err why = ERR_INIT;
        buf_init(&out, MESSAGE_MAX);
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
                buf_init(parts[i], MESSAGE_MAX);
        const char *at = strrchr(p->mail.from_address, '@');
        uuid_to_text(en->task.task_id, id);
        buf_addf(&message_id, "%s@%s", id,
                 a->service->mail.domain ? a->service->mail.domain
                 : at                    ? at + 1
                                         : "localhost");
        struct mail m = {
                .from_name = span_of(p->mail.from_name),
                .from_address = span_of(p->mail.from_address),
                .to_name = one_line(&name, lookup(en, SPAN_LIT("to_name"))),
                .to_address = lookup(en, SPAN_LIT("to_address")),
                .reply_to = span_of(p->mail.reply_to),
                .subject = one_line(&line, rendered(g->type->email.subject, en, &subject)),
                .text = rendered(g->type->email.text, en, &text),
                .html = rendered(g->type->email.html, en, &html),
                .message_id = { buf_str(&message_id), message_id.len },
                .list_id = span_of(p->mail.list_id),
                .list_unsubscribe = span_of(p->mail.list_unsubscribe),
                .date = instant_now(),
        };
        if (!m.to_address.len) {
                actor_decide(b, en, OUTCOME_FAILED, "no mail address");
                return 1;
        }
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
                buf_merge_failure(&out, parts[i]);
        if (out.oom)
                return err_oom(e);
        if (mail_check_address(m.to_address, &why) < 0 || mail_render(&m, &out, &why) < 0) {
                if (err_is_oom(&why))
                        return err_oom(e);
                actor_decide(b, en, OUTCOME_FAILED, "%s", why.text);
                return 1;
        }
        struct span message = arena_span(a->mails, (struct span){ buf_str(&out), out.len });
        struct span key = arena_span(a->mails, m.message_id);
        ret->from = p->mail.from_address;
        ret->to = arena_strndup(a->mails, m.to_address.ptr, m.to_address.len);
        ret->message = message;
        ret->id = key;
        return message.ptr && key.ptr && ret->to ? 0 : err_oom(e);
}

static bool is_unreachable(const struct envelope *o)
{
        return o->state == SEND_DEFERRED && (o->code == 0 || o->before_envelope);
}

/* An unavailable relay is logged once per change of state, and waited for without end. */
static void note_relay(struct actor *a, const struct envelope *list, size_t n)
{
        size_t away = 0, tried = 0, last = 0;
        for (size_t i = 0; i < n; i++) {
                tried += list[i].state != SEND_PENDING;
                away += is_unreachable(&list[i]);
                last = is_unreachable(&list[i]) ? i : last;
        }
        if (tried == 0)
                return;
        bool is_away = away == tried;
        if (is_away && !a->relay_away)
                log_warn("mail relay unavailable, will retry", "reason=" LOG_Q, list[last].reason);
        else if (!is_away && a->relay_away)
                log_info("mail relay available again", "answers=%zu", tried - away);
        a->away_ms = !is_away || !a->relay_away     ? AWAY_MIN_MS
                     : a->away_ms * 2 < AWAY_MAX_MS ? a->away_ms * 2
                                                    : AWAY_MAX_MS;
        a->relay_away = is_away;
        if (is_away)
                transport_free(TAKE(a->transport)); /* the next one reads the password again */
        if (away && a->pause_ms < a->away_ms)
                a->pause_ms = a->away_ms;
}

static void outcome_of(struct actor *a, struct batch *b, const struct statement_group *g,
                       struct entry *en, const struct envelope *o)
{
        if (o->state == SEND_DONE)
                actor_done(en);
        else if (o->state != SEND_PENDING && !is_unreachable(o)) /* those: another round */
                actor_failed(a, b, en, o, !g->type->email.hold_unknown,
                             o->state == SEND_UNKNOWN ? "the server's answer was lost" : o->reason);
}

/* Renders and sends list[0..n), as many as fit into the memory of one go; gives their number. */
static int send_some(struct actor *a, struct batch *b, const struct statement_group *g,
                     struct entry **list, size_t n, struct err *e)
{
        arena_reset(a->mails);
        struct envelope *out = arena_alloc(a->mails, (n + 1) * sizeof *out);
        struct entry **kept = arena_alloc(a->mails, (n + 1) * sizeof(struct entry *));
        size_t i = 0, m = 0;
        if (!out || !kept)
                return err_oom(e);
        for (size_t bytes = 0; i < n && bytes < MAILS_BYTES; i++) {
                int rc = compose_mail(a, b, g, list[i], &out[m], e);
                if (rc < 0)
                        return -1;
                if (rc > 0)
                        continue;
                bytes += out[m].message.len;
                kept[m++] = list[i];
        }
        FAILPOINT("mail.unsent");
        transport_send(a->transport, out, m, actor_round_expired, a);
        FAILPOINT("mail.sent");
        note_relay(a, out, m);
        for (size_t k = 0; k < m; k++)
                outcome_of(a, b, g, kept[k], &out[k]);
        return (int)i;
}

int act_mail(struct actor *a, struct batch *b, const struct statement_group *g, struct entry **list,
             size_t n, struct err *e)
{
        if (!a->transport && transport_of(a->service, &a->transport, e) < 0)
                return -1;
        for (size_t at = 0; at < n && !actor_round_expired(a);) {
                int sent = send_some(a, b, g, list + at, n - at, e);
                if (sent < 0)
                        return -1;
                at += (size_t)sent;
        }
        return 0;
}
