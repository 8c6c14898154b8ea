/* SPDX-License-Identifier: Apache-2.0 */
/* What the actions share: the time of a round, and what an action came to. */
#include "actor.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

enum { ROUND_MS = 5000, MAILS_MAX = 32 * 1024 * 1024 };

int actor_init(struct actor *a, struct err *e)
{
        a->mails = arena_new(MAILS_MAX);
        return a->mails ? 0 : err_oom(e);
}

void actor_deinit(struct actor *a)
{
        transport_free(a->transport);
        arena_free(a->mails);
        a->transport = NULL;
        a->mails = NULL;
}

int actor_round_expired(void *actor)
{
        struct actor *a = actor;
        return monotonic_ms() >= a->until_ms || a->stopping(a->ctx);
}

void actor_done(struct entry *en)
{
        en->outcome = OUTCOME_APPLIED;
        en->state = ENTRY_ACTED;
}

void actor_decide(struct batch *b, struct entry *en, enum outcome o, const char *fmt, ...)
{
        char text[1200];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        utf8_clean(text); /* a relay or a web server answers in any character set */
        struct span reason = arena_span(b->arena, span_of(text));
        en->outcome = o;
        en->reason = reason.ptr ? reason : SPAN_LIT("");
        en->state = ENTRY_ACTED;
}

void actor_failed(struct actor *a, struct batch *b, struct entry *en, const struct envelope *answer,
                  bool resend, const char *reason)
{
        enum send_state state = answer->state;
        bool deferred = state == SEND_DEFERRED && answer->code >= 400 && answer->code < 500;
        if (state == SEND_UNKNOWN && !resend) {
                actor_decide(b, en, OUTCOME_UNKNOWN, "%s; held for review", reason);
                return;
        }
        actor_decide(b, en, OUTCOME_FAILED, "%s", reason);
        if (state != SEND_DEFERRED && state != SEND_UNKNOWN)
                return;
        entry_fail(en, deferred ? &a->transactor->deferred : &a->transactor->retry, en->reason);
        if (en->parked == PARKED_RETRY && en->delay_ms < answer->after_ms)
                en->delay_ms = answer->after_ms;
        if (en->parked != PARKED_RETRY && state == SEND_UNKNOWN) {
                en->outcome = OUTCOME_UNKNOWN;
                en->parked = PARKED_NOT;
        }
}

void actor_begin_round(struct actor *a)
{
        a->pause_ms = 0;
        a->until_ms = monotonic_ms() + ROUND_MS;
}
