#include "act.h"

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

int act_over(void *actor)
{
        struct actor *a = actor;
        return monotonic_ms() >= a->until_ms || a->stopping(a->ctx);
}

void act_done(struct entry *en)
{
        en->outcome = OUTCOME_APPLIED;
        en->state = ENTRY_ACTED;
}

void act_decide(struct batch *b, struct entry *en, enum outcome o, const char *fmt, ...)
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

void act_missed(struct actor *a, struct batch *b, struct entry *en, const struct envelope *answer,
                bool resend, const char *reason)
{
        enum send_state state = answer->state;
        bool put_off = state == SEND_DEFERRED && answer->code >= 400 && answer->code < 500;
        if (state == SEND_UNKNOWN && !resend) {
                act_decide(b, en, OUTCOME_UNKNOWN, "%s; held for review", reason);
                return;
        }
        act_decide(b, en, OUTCOME_FAILED, "%s", reason);
        if (state != SEND_DEFERRED && state != SEND_UNKNOWN)
                return;
        entry_fail(en, put_off ? &a->transactor->put_off : &a->transactor->retry, en->reason);
        if (en->again && en->delay_ms < answer->after_ms)
                en->delay_ms = answer->after_ms;
        if (!en->again && state == SEND_UNKNOWN)
                en->outcome = OUTCOME_UNKNOWN;
}

static int act_unit(struct actor *a, struct batch *b, const struct unit *u, struct err *e)
{
        static int (*const kinds[])(struct actor *, struct batch *, const struct unit *,
                                    struct entry **, size_t,
                                    struct err *) = { [ACTION_SQL] = NULL, /* is done already */
                                                      [ACTION_EMAIL] = act_mail,
                                                      [ACTION_WEBHOOK] = act_webhook,
                                                      [ACTION_REPORT] = act_report,
                                                      [ACTION_FILES] = act_files };
        _Static_assert(ARRAY_LEN(kinds) == ACTION_COUNT, "each action has a row");
        struct entry **list = arena_alloc(b->arena, (u->n + 1) * sizeof(struct entry *));
        size_t n = 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < u->n; i++)
                if (u->list[i]->state == ENTRY_PENDING)
                        list[n++] = u->list[i];
        return n ? kinds[u->type->action](a, b, u, list, n, e) : 0;
}

int act(struct actor *a, struct batch *b, struct err *e)
{
        a->pause_ms = 0;
        a->until_ms = monotonic_ms() + ROUND_MS;
        for (size_t i = 0; i < b->n_units && !act_over(a); i++) {
                int rc = b->units[i].type->action == ACTION_SQL ? 0
                                                                : act_unit(a, b, &b->units[i], e);
                batch_stand_behind(b, i);
                /* what has been done is written down first; what failed for good fails again in the
                 * next round */
                if (rc < 0)
                        return batch_count(b, ENTRY_ACTED) ? 0 : -1;
        }
        return 0;
}
