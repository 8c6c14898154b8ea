/* SPDX-License-Identifier: Apache-2.0 */
/* Mail as `rollcall check` looks at it: can the packs and the alerts send? */
#include "check_mail.h"

#include "mail/address.h"
#include "mail/transports.h"

#include <string.h>

static bool any_email(const struct packs *all)
{
        for (size_t i = 0; all && i < all->n; i++)
                for (size_t j = 0; j < all->list[i]->n_types; j++)
                        if (all->list[i]->types[j].email.subject)
                                return true;
        return false;
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

static void check_alert(struct check *k, const struct transport_kind *kind)
{
        const struct service *s = k->cli->service;
        check_address(k, "alert.to", s->alert.to);
        check_address(k, "alert.from", s->alert.from);
        if (s->alert.to && !kind->where(s))
                check_fail(k, "alert.to", s->alert.to,
                           "alerts are mailed there, but %s is not configured", kind->setting);
}

static void check_relay(struct check *k, const struct transport_kind *kind)
{
        const struct service *s = k->cli->service;
        struct err e = ERR_INIT;
        struct transport *t CLEANUP(transport_cleanup) = NULL;
        const char *shown = kind->secret ? "relay" : kind->where(s);
        if (transport_of(s, &t, &e) < 0 || transport_probe(t, &e) < 0)
                check_fail(k, "mail", shown, "%s", e.text);
        else
                check_ok(k, "mail", shown, "%s", kind->probed);
}

void check_mail(struct check *k, const struct packs *all)
{
        const struct service *s = k->cli->service;
        const struct transport_kind *kind = transport_kind_of(s);
        check_alert(k, kind);
        if (!kind->where(s) && any_email(all)) /* allowed as long as nobody sends mail */
                check_fail(k, "mail", "", "packs send mail, but %s is not configured",
                           kind->setting);
        if (kind->where(s) && !k->offline)
                check_relay(k, kind);
}
