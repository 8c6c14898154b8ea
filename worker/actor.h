/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the actions outside the database share: mail, webhooks, reports, files. */
#include "batch.h"
#include "mail/transport.h"
#include "transaction.h"

struct actor {
        const struct service *service;
        const struct packs *packs;
        struct transactor *transactor; /* its connection also serves reports */
        struct transport *transport;   /* made at the first mail */
        struct arena *mails;           /* rendered mails of one round */
        bool relay_away;               /* logged already */
        int away_ms;                   /* the next pause for an absent relay */
        int pause_ms;                  /* after a round: when what is left is worth another try */
        int64_t until_ms;              /* end of this round */
        int (*stopping)(void *ctx);    /* non-zero: the process is to stop at once */
        void *ctx;
};

int actor_init(struct actor *a, struct err *e) MUST_CHECK;
void actor_deinit(struct actor *a);

/* Sets pause_ms and until_ms for a round that begins now. */
void actor_begin_round(struct actor *a);
/* The round's time is over, or the process is to stop at once: nothing new is begun. A transport's
 * tick. */
int actor_round_expired(void *actor);

/* For the kinds: the entry is ACTED: applied as its statement said, or with another reason, which
 * is copied into the batch. */
void actor_done(struct entry *en);
void actor_decide(struct batch *b, struct entry *en, enum outcome o, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
/* For the kinds, after a try that did not succeed: deferred ones will be retried, and are
 * quarantined after the last attempt; refused ones have failed; where the answer was lost the task
 * is retried if `resend`, and is `unknown` after the last attempt. */
void actor_failed(struct actor *a, struct batch *b, struct entry *en, const struct envelope *answer,
                  bool resend, const char *reason);
