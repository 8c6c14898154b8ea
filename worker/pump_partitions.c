#include "pump_internal.h"

#include "base/failpoint.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { CLAIM_LOCK_MS = 2000, LAND_MS = 2000 };

/* The partition is ours from here on, unless its log does not fit. */
static int claim(struct pump *p, const struct kafka_partition *k, int64_t *ret_start, struct err *e)
{
        int rc, index = pump_source(p, k->topic, k->partition);
        if (index < 0)
                return err_set(e, ERR_FATAL, "", "more than %d partitions", SOURCES_MAX);
        struct source *s = &p->sources.list[index];
        do
                rc = source_claim(p->db, p->cluster, p->owner, s, e) < 0
                             ? -1
                             : pump_check_log(p, s, ret_start, e);
        while (rc == 2);
        p->recover[index] = s->owned;
        if (rc >= 0 && s->owned)
                rc = held_wake_unknown(p->db, s, e);
        return rc < 0 ? -1 : 0;
}

static void disclaim(struct pump *p, const struct kafka_partition *list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                int index = pump_source(p, list[i].topic, list[i].partition);
                if (index < 0)
                        continue;
                struct source *s = &p->sources.list[index];
                s->leaving = s->owned && p->in_database;
                if (!p->in_database)
                        s->owned = s->stopped = p->recover[index] = false;
        }
}

void pump_let_go(struct pump *p)
{
        for (size_t i = 0; i < p->sources.n; i++)
                if (p->sources.list[i].leaving)
                        p->sources.list[i].leaving = p->sources.list[i].owned = p->recover[i] =
                                false;
}

/* All of the offer or none; what is wrong with it is said once. */
static int refuse(struct pump *p, const struct kafka_partition *list, size_t n, size_t failed,
                  const struct err *e)
{
        disclaim(p, list, n);
        p->refused = true;
        if (strncmp(p->refusal, e->text, sizeof p->refusal - 1) != 0)
                log_error("partition not taken up", "lane=%s partition=%d error=" LOG_Q,
                          lane_name(p->o->lane), (int)list[failed].partition, e->text);
        snprintf(p->refusal, sizeof p->refusal, "%s", e->text);
        return -1;
}

static int wait_for_locks(struct pump *p, int64_t ms, struct err *e)
{
        char sql[64];
        snprintf(sql, sizeof sql, "set lock_timeout = %lld", (long long)ms);
        return db_exec(p->db, sql, e);
}

/* A claim waits for the row of an owner whose transaction is under way: not for long, the group
 * wants to be served. It is offered again. */
static int claim_all(struct pump *p, struct kafka_partition *list, size_t n, struct err *e)
{
        struct err first;
        int64_t usual = p->o->service->worker.lock_timeout_ms;
        if (wait_for_locks(p, CLAIM_LOCK_MS, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                if (claim(p, &list[i], &list[i].offset, e) < 0) {
                        first = *e;
                        (void)!wait_for_locks(p, usual, e);
                        *e = first;
                        return refuse(p, list, n, i, e);
                }
        FAILPOINT("partitions.claimed");
        return wait_for_locks(p, usual, e) < 0 ? refuse(p, list, n, 0, e) : 0;
}

static int assigned(struct pump *p, struct kafka_partition *list, size_t n, struct err *e)
{
        if (!p->db || p->in_database) {
                p->refused = true;
                return err_set(e, ERR_RETRY, "",
                               p->db ? "a statement is under way" : "no database connection");
        }
        if (claim_all(p, list, n, e) < 0)
                return -1;
        p->refusal[0] = '\0';
        p->held = true; /* until the next look */
        p->looked_ms = 0;
        log_info("partitions assigned", "lane=%s pump=%d count=%zu", lane_name(p->o->lane),
                 p->o->number, n);
        return 0;
}

int pump_assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        struct pump *p = ctx;
        p->in_callback = true;
        int rc = assigned(p, list, n, e);
        p->in_callback = false;
        return rc;
}

void pump_note_landed(struct pump *p)
{
        for (size_t i = 0; p->outbox.n == 0 && !p->outbox.failed && i < p->sources.n; i++)
                if (p->sources.list[i].owned && !p->recover[i])
                        p->sources.list[i].acked = p->sources.list[i].sequence;
}

/* What is under way gets a moment to land, and is noted: so much less is published again by the
 * next owner. */
static void land(struct pump *p)
{
        struct err ignored = ERR_INIT;
        if (!p->db || !db_alive(p->db) || !p->publisher || p->outbox.failed)
                return;
        (void)!publisher_flush(p->publisher, LAND_MS);
        (void)!transact_mark(&p->transactor, &ignored);
        pump_leave_in_order(p);
}

void pump_revoked(void *ctx, const struct kafka_partition *list, size_t n, bool lost)
{
        struct pump *p = ctx;
        FAILPOINT("partitions.revoked");
        p->in_callback = true;
        if (!lost && !p->in_database)
                land(p);
        p->in_callback = false;
        disclaim(p, list, n);
        log_info("partitions revoked", "lane=%s pump=%d count=%zu lost=%s", lane_name(p->o->lane),
                 p->o->number, n, lost ? "true" : "false");
}

int pump_reclaim(struct pump *p, struct err *e)
{
        for (size_t i = 0; i < p->sources.n; i++) {
                struct source *s = &p->sources.list[i];
                if (!s->owned)
                        continue;
                int rc = source_reclaim(p->db, s, e);
                if (rc != 0)
                        return rc;
                p->recover[i] = true;
                bool fits;
                if (!pump_log_fits(p, s, &fits, e))
                        return -1;
                if (!fits)
                        return 1;
                if (kafka_seek(p->consumer, s->topic, s->partition, s->next, e) < 0)
                        /* claimed, but not taken up from the group: that is begun anew */
                        return strcmp(e->code, "_STATE") == 0 ? 1 : -1;
        }
        return 0;
}

bool pump_owns(const struct source *s, int64_t epoch)
{
        return s->owned && !s->leaving && s->epoch == epoch;
}

struct recovery pump_recovery(struct pump *p)
{
        return (struct recovery){ .db = p->db,
                                  .runs = p->runs,
                                  .packs = p->o->packs,
                                  .types = p->types,
                                  .sources = &p->sources,
                                  .version_wait_ms = p->o->service->retry.version_wait_ms };
}

static int republish(struct pump *p, int index, int64_t epoch, struct err *e)
{
        struct recovery r = pump_recovery(p);
        struct source *s = &p->sources.list[index];
        int64_t after = s->acked;
        size_t total = 0;
        while (pump_owns(s, epoch) && after < s->sequence) {
                batch_reset(&p->batch);
                int n = recover_outcomes(&r, index, after, &p->batch, &after, e);
                if (n < 0)
                        return -1;
                if (n == 0)
                        break;
                if (outbox_publish(&p->outbox, &p->batch, e) < 0)
                        return -1;
                total += (size_t)n;
        }
        FAILPOINT("recover.republished");
        if (total)
                log_info("outcomes published again", "topic=%s partition=%d count=%zu", s->topic,
                         (int)s->partition, total);
        return 0;
}

/* Intents that nobody may act upon again: whether it was done is not known, and the type says hold,
 * or is gone. */
static void decide_intent(struct entry *en)
{
        bool hold = en->type && en->type->email.hold_unknown;
        if (en->run && en->run->state == RUN_CANCELLED) {
                entry_cancel(en);
                return;
        }
        if (en->type && !hold)
                return;
        en->outcome = OUTCOME_UNKNOWN;
        en->reason = hold ? SPAN_LIT("the server's answer was lost; held for review")
                          : SPAN_LIT("the task type is gone; whether it was done is not known");
        en->state = ENTRY_ACTED;
}

static int settle_intents(struct pump *p, int index, int64_t epoch, struct err *e)
{
        struct recovery r = pump_recovery(p);
        while (pump_owns(&p->sources.list[index], epoch)) {
                batch_reset(&p->batch);
                if (pump_careful(&p->sources.list[index]))
                        recover_limit(&r, index, 1);
                int n = recover_intents(&r, index, &p->batch, e);
                if (n <= 0)
                        return n;
                log_info("settling intents of an earlier owner", "topic=%s partition=%d count=%d",
                         p->sources.list[index].topic, (int)p->sources.list[index].partition, n);
                for (size_t i = 0; i < p->batch.n; i++)
                        decide_intent(&p->batch.entries[i]);
                if (pump_careful(&p->sources.list[index]) &&
                    pump_try(p, &p->batch.entries[0], ENTRY_ACTED, e) < 0)
                        return -1;
                if (batch_divide(&p->batch, ENTRY_PENDING, e) < 0)
                        return -1;
                int rc = transact_reread(&p->transactor, &p->batch, e);
                if (rc == 0)
                        rc = transact_intend(&p->transactor, &p->batch, e);
                if (rc == 0)
                        rc = pump_finish(p, e);
                if (rc == TRANSACT_TOO_LARGE)
                        recover_limit(&r, index, batch_fewer((size_t)n));
                else if (rc != 0)
                        return rc;
        }
        return 0;
}

int pump_recover(struct pump *p, struct err *e)
{
        for (size_t i = 0; i < p->sources.n; i++) {
                struct source *s = &p->sources.list[i];
                int64_t epoch = s->epoch;
                if (!p->recover[i] || !s->owned)
                        continue;
                if (republish(p, (int)i, epoch, e) < 0)
                        return -1;
                int rc = settle_intents(p, (int)i, epoch, e);
                if (rc != 0)
                        return rc;
                if (pump_owns(s, epoch))
                        p->recover[i] = false;
        }
        return 0;
}
