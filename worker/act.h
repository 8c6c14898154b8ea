#pragma once
/* Actions outside the database, done between a batch's two transactions: mail, webhooks, reports,
 * files. */
#include "batch.h"
#include "mail/transport.h"
#include "transact.h"

struct actor {
        const struct service *service;
        const struct packs *packs;
        struct transactor *transactor; /* its connection also serves reports */
        struct transport *transport;   /* made at the first mail */
        struct arena *mails;           /* rendered mails of one round */
        bool relay_away;               /* said already */
        int away_ms;                   /* the next pause for an absent relay */
        int pause_ms;                  /* after act(): when what is left is worth another try */
        int64_t until_ms;              /* end of this round */
        int (*stopping)(void *ctx);    /* non-zero: the process is to stop at once */
        void *ctx;
};

int actor_init(struct actor *a, struct err *e) MUST_CHECK;
void actor_deinit(struct actor *a);

/* One round, of some seconds at most: does what pending entries ask for. Those that came to an
 * outcome are ACTED, with its reason; the others stay PENDING, for another round after pause_ms. So
 * that whoever sends for long can write down what it has sent, and see whether the partitions are
 * still its own. */
int act(struct actor *a, struct batch *b, struct err *e) MUST_CHECK;
/* The round's time is over, or the process is to stop at once: nothing new is begun. A transport's
 * tick. */
int act_over(void *actor);

/* The kinds. Each handles list[0..n), all of `u`'s type. */
int act_mail(struct actor *a, struct batch *b, const struct unit *u, struct entry **list, size_t n,
             struct err *e) MUST_CHECK;
int act_webhook(struct actor *a, struct batch *b, const struct unit *u, struct entry **list,
                size_t n, struct err *e) MUST_CHECK;
int act_report(struct actor *a, struct batch *b, const struct unit *u, struct entry **list,
               size_t n, struct err *e) MUST_CHECK;
int act_files(struct actor *a, struct batch *b, const struct unit *u, struct entry **list, size_t n,
              struct err *e) MUST_CHECK;

/* For the kinds: the entry is ACTED: applied as its statement said, or with another reason, which
 * is copied into the batch. */
void act_done(struct entry *en);
void act_decide(struct batch *b, struct entry *en, enum outcome o, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
/* For the kinds, after a try that did not succeed: deferred ones will be tried again, and are
 * quarantined after the last attempt; refused ones have failed; where the answer was lost the task
 * is tried again if `resend`, and is `unknown` after the last attempt. */
void act_missed(struct actor *a, struct batch *b, struct entry *en, const struct envelope *answer,
                bool resend, const char *reason);
