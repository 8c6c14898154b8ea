/* Mail as `rollcall check` looks at it: can the packs and the alerts send? */
#include "check_mail.h"

#include "alert/relay.h"
#include "mail/message.h"

#include <string.h>

static bool any_email(const struct packs *all)
{
        for (size_t i = 0; all && i < all->n; i++)
                for (size_t j = 0; j < all->list[i]->n_types; j++)
                        if (all->list[i]->types[j].action == ACTION_EMAIL)
                                return true;
        return false;
}

static bool is_maildir(const struct service *s)
{
        return strcmp(s->mail.transport, "maildir") == 0;
}

static void check_address(struct check *k, const char *property, const char *address)
{
        struct err e = ERR_INIT;
        if (!address)
                return;
        if (mail_check_address(span_of(address), &e) < 0)
                check_fail(k, property, address, "%s", e.text);
        else
                check_ok(k, property, address, "is an address");
}

/* `where`: the relay or the Maildir; NULL: none is configured. */
static void check_alert(struct check *k, const char *where)
{
        const struct service *s = k->cli->service;
        check_address(k, "alert.to", s->alert.to);
        check_address(k, "alert.from", s->alert.from);
        if (s->alert.to && !where)
                check_fail(k, "alert.to", s->alert.to,
                           "alerts are mailed there, but %s is not configured",
                           is_maildir(s) ? "mail.maildir" : "mail.url");
}

static void check_relay(struct check *k, const char *where)
{
        const struct service *s = k->cli->service;
        struct err e = ERR_INIT;
        struct transport *t CLEANUP(transport_cleanup) = NULL;
        const char *shown = is_maildir(s) ? where : "relay"; /* the URL may hold a password */
        if (relay_open(s, &t, &e) < 0 || transport_probe(t, &e) < 0)
                check_fail(k, "mail", shown, "%s", e.text);
        else
                check_ok(k, "mail", shown, is_maildir(s) ? "can be written" : "it answers");
}

void check_mail(struct check *k, const struct packs *all)
{
        const struct service *s = k->cli->service;
        const char *where = is_maildir(s) ? s->mail.maildir : s->mail.url;
        check_alert(k, where);
        if (!where && any_email(all)) /* allowed as long as nobody sends mail */
                check_fail(k, "mail", "", "packs send mail, but %s is not configured",
                           is_maildir(s) ? "mail.maildir" : "mail.url");
        if (where && !k->offline)
                check_relay(k, where);
}
