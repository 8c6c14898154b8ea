#include "pump_internal.h"

#include "base/failpoint.h"
#include "daemon/daemon.h"

#include <stdlib.h>
#include <time.h>

/* of the drain's time, at most: to leave the group, and to have the last acknowledgements noted */
enum { LEAVE_MS = 5000 };
enum {
        POLL_AT_LEAST_MS = 10000,
        POLL_IN_STATEMENT_MS = 1000,
        SLICE_MS = 50,
        SETTLE_MIN_MS = 250,
        SETTLE_MAX_MS = 5000
};

/* After the first signal the work in hand has worker.drain_timeout, but for what leaving takes. */
static bool late(struct pump *p)
{
        if (!daemon_stopping())
                return false;
        int64_t limit = p->o->service->worker.drain_timeout_ms;
        if (!p->stop_ms)
                p->stop_ms = monotonic_ms() + limit - (limit / 3 < LEAVE_MS ? limit / 3 : LEAVE_MS);
        return monotonic_ms() >= p->stop_ms;
}

int pump_stopping(void *ctx)
{
        return daemon_stop_now() || late(ctx);
}

static int poll_nothing(struct pump *p, struct err *e)
{
        p->polled_ms = monotonic_ms();
        p->refused = false;
        int rc = kafka_poll(p->consumer, 0, NULL, 0, e);
        if (kafka_consumer_broker_restarted(p->consumer))
                rc = err_set(e, ERR_FATAL, "", "the embedded broker was replaced by another one");
        if (rc >= 0 || p->refused || e->class != ERR_FATAL)
                return 0; /* what passes, or fails again in the loop */
        p->broken = true;
        return -1;
}

void pump_database_tick(void *ctx)
{
        struct pump *p = ctx;
        struct err ignored = ERR_INIT;
        if (pump_stopping(p))
                db_cancel(p->db);
        if (!p->consumer || p->broken || p->in_callback ||
            monotonic_ms() - p->polled_ms < POLL_IN_STATEMENT_MS)
                return;
        p->in_database = true;
        (void)!poll_nothing(p, &ignored);
        p->in_database = false;
}

int pump_tick(void *ctx)
{
        struct pump *p = ctx;
        struct err e = ERR_INIT;
        if (monotonic_ms() - p->polled_ms > POLL_AT_LEAST_MS && poll_nothing(p, &e) < 0)
                return 1;
        return pump_stopping(p);
}

/* Between two rounds of actions: the group is served, and may take partitions away. */
static int pause_for(struct pump *p, int ms, struct err *e)
{
        int64_t until = monotonic_ms() + ms;
        do {
                if (pump_stopping(p) || (daemon_stopping() && p->actor.relay_away))
                        return err_set(
                                e, ERR_RETRY, "",
                                "stopped with %zu actions to be done; their intents are in the ledger",
                                batch_count(&p->batch, ENTRY_PENDING));
                publisher_poll(p->publisher, 0);
                if (poll_nothing(p, e) < 0)
                        return -1;
                if (ms)
                        nanosleep(&(struct timespec){ .tv_nsec = SLICE_MS * 1000000L }, NULL);
        } while (monotonic_ms() < until);
        return 0;
}

/* Entries of partitions that have been taken away, or away and back: their intents are for whoever
 * claimed them. */
static void disown(struct pump *p)
{
        for (size_t i = 0; i < p->batch.n; i++) {
                struct entry *en = &p->batch.entries[i];
                const struct source *s = &p->sources.list[en->source];
                if ((en->state == ENTRY_PENDING || en->state == ENTRY_ACTED) &&
                    !pump_owns(s, en->epoch))
                        en->state = ENTRY_REPEATED;
        }
}

/* Of cancelled runs nothing more is done. What an earlier owner has begun may have been done. */
static int stop_cancelled(struct pump *p, struct err *e)
{
        for (size_t i = 0; i < p->batch.n; i++) {
                struct entry *en = &p->batch.entries[i];
                if (en->state != ENTRY_PENDING || !en->run || en->type->action == ACTION_SQL)
                        continue;
                int rc = runs_get(p->runs, p->db, en->run->run_id, monotonic_ms(), &en->run, e);
                if (rc != 0)
                        return rc < 0 ? -1
                                      : err_set(e, ERR_FATAL, "",
                                                "a pending task's run is not in rollcall.run");
                if (en->run->state == RUN_CANCELLED)
                        entry_cancel(en);
        }
        return 0;
}

static bool acted_outside(const struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_ACTED && b->entries[i].type &&
                    b->entries[i].type->action != ACTION_SQL)
                        return true;
        return false;
}

/* Another session for the same batch. 0; -1: the process is to stop. */
static int reopen(struct pump *p, int *backoff, struct err *e)
{
        struct err why = ERR_INIT;
        do {
                pump_close_session(p);
                int ms = *backoff / 2 + (int)arc4random_uniform((uint32_t)*backoff / 2 + 1);
                *backoff = *backoff * 2 < SETTLE_MAX_MS ? *backoff * 2 : SETTLE_MAX_MS;
                if (pause_for(p, ms, e) < 0)
                        return -1;
                if (pump_open_database(p, &why) == 0)
                        return 0;
                pump_say(p, &why);
        } while (true);
}

/* What was sent is in memory, and in memory alone: while its outcomes cannot be written it is
 * written again and again, and never sent again. An answer that was lost may have been a commit;
 * then somebody else's are the rows, and the ledger tells the rest. */
static int settle(struct pump *p, struct batch_copy *saved, struct err *e)
{
        int backoff = SETTLE_MIN_MS;
        if (!acted_outside(&p->batch))
                return transact_settle(&p->transactor, &p->batch, e);
        if (batch_save(&p->batch, saved, e) < 0)
                return -1;
        for (;;) {
                int rc = transact_settle(&p->transactor, &p->batch, e);
                bool again = rc < 0 && e->code[0] && !err_is_oom(e) && !is_too_large(e);
                if (!again)
                        return rc;
                pump_say(p, e);
                if (reopen(p, &backoff, e) < 0)
                        return -1;
                batch_restore(&p->batch, saved);
                disown(p);
        }
}

int pump_finish(struct pump *p, struct err *e)
{
        struct batch_copy saved = { 0 };
        for (int round = 0;; round++) {
                disown(p);
                if (round > 0 && stop_cancelled(p, e) < 0)
                        return -1;
                if (batch_count(&p->batch, ENTRY_PENDING) + batch_count(&p->batch, ENTRY_ACTED) ==
                    0)
                        return 0;
                if (act(&p->actor, &p->batch, e) < 0)
                        return -1;
                disown(p);
                int rc = settle(p, &saved, e);
                if (rc != 0)
                        return rc;
                pump_note_pauses(p);
                FAILPOINT("settle.committed");
                if (outbox_publish(&p->outbox, &p->batch, e) < 0)
                        return -1;
                if (batch_count(&p->batch, ENTRY_PENDING) && pause_for(p, p->actor.pause_ms, e) < 0)
                        return -1;
        }
}
