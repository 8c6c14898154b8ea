/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds of actions: act, settle, publish, until nothing is pending. */
#include "finish.h"

#include "act.h"
#include "base/failpoint.h"
#include "daemon/daemon.h"
#include "resources.h"
#include "settle.h"
#include "type_pauses.h"

#include <stdlib.h>
#include <time.h>

enum { SLICE_MS = 50, SETTLE_MIN_MS = 250, SETTLE_MAX_MS = 5000 };

/* Between two rounds of actions: the group is served, and may revoke partitions. */
static int pause_for(struct lane_worker *w, int ms, struct err *e)
{
        int64_t until = monotonic_ms() + ms;
        do {
                if (lane_worker_stopping(w) || (daemon_stopping() && w->actor.relay_away))
                        return err_set(
                                e, ERR_RETRY, "",
                                "stopping: %zu actions not finished; the next owner continues them",
                                batch_count(&w->batch, ENTRY_PENDING));
                publisher_poll(w->publisher, 0);
                if (membership_serve(&w->membership, e) < 0)
                        return -1;
                if (ms)
                        nanosleep(&(struct timespec){ .tv_nsec = SLICE_MS * 1000000L }, NULL);
        } while (monotonic_ms() < until);
        return 0;
}

/* Entries of partitions that have been revoked, or revoked and assigned again: their intents are
 * for whoever claimed them. */
static void drop_unowned(struct lane_worker *w)
{
        for (size_t i = 0; i < w->batch.n; i++) {
                struct entry *en = &w->batch.entries[i];
                const struct lane_partition *s = &w->partitions.list[en->partition];
                if ((en->state == ENTRY_PENDING || en->state == ENTRY_ACTED) &&
                    !lane_partition_has_epoch(s, en->epoch))
                        en->state = ENTRY_REPEATED;
        }
}

/* Of cancelled runs nothing more is done. What an earlier owner has begun may have been done. */
static int stop_cancelled(struct lane_worker *w, struct err *e)
{
        for (size_t i = 0; i < w->batch.n; i++) {
                struct entry *en = &w->batch.entries[i];
                if (en->state != ENTRY_PENDING || !en->run || en->type->action == ACTION_SQL)
                        continue;
                int rc = run_cache_get(w->runs, w->db, en->run->run_id, monotonic_ms(), &en->run,
                                       e);
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
static int reopen(struct lane_worker *w, int *backoff, struct err *e)
{
        struct err why = ERR_INIT;
        do {
                resources_close_session(w);
                int ms = *backoff / 2 + (int)arc4random_uniform((uint32_t)*backoff / 2 + 1);
                *backoff = *backoff * 2 < SETTLE_MAX_MS ? *backoff * 2 : SETTLE_MAX_MS;
                if (pause_for(w, ms, e) < 0)
                        return -1;
                if (resources_open_database(w, &why) == 0)
                        return 0;
                lane_worker_log_trouble(w, &why);
        } while (true);
}

/* What was sent is in memory, and in memory alone: while its outcomes cannot be written writing
 * is retried, and nothing is sent again. An answer that was lost may have been a commit;
 * then the rows are another owner's, and the ledger has the rest. */
static int settle_until_written(struct lane_worker *w, struct batch_copy *saved, struct err *e)
{
        int backoff = SETTLE_MIN_MS;
        if (!acted_outside(&w->batch))
                return settle_batch(&w->transactor, &w->batch, e);
        if (batch_save(&w->batch, saved, e) < 0)
                return -1;
        for (;;) {
                int rc = settle_batch(&w->transactor, &w->batch, e);
                bool retry = rc < 0 && e->code[0] && !err_is_oom(e) && !batch_is_too_large(e);
                if (!retry)
                        return rc;
                lane_worker_log_trouble(w, e);
                if (reopen(w, &backoff, e) < 0)
                        return -1;
                batch_restore(&w->batch, saved);
                drop_unowned(w);
        }
}

int finish_batch(struct lane_worker *w, struct err *e)
{
        struct batch_copy saved = { 0 };
        for (int round = 0;; round++) {
                drop_unowned(w);
                if (round > 0 && stop_cancelled(w, e) < 0)
                        return -1;
                if (batch_count(&w->batch, ENTRY_PENDING) + batch_count(&w->batch, ENTRY_ACTED) ==
                    0)
                        return 0;
                if (act_round(&w->actor, &w->batch, e) < 0)
                        return -1;
                drop_unowned(w);
                int rc = settle_until_written(w, &saved, e);
                if (rc != 0)
                        return rc;
                type_pauses_log_committed(&w->transactor, w->o->lane);
                FAILPOINT("settle.committed");
                if (outbox_publish(&w->outbox, &w->batch, e) < 0)
                        return -1;
                if (batch_count(&w->batch, ENTRY_PENDING) && pause_for(w, w->actor.pause_ms, e) < 0)
                        return -1;
        }
}
