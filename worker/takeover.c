/* SPDX-License-Identifier: Apache-2.0 */
/* What earlier owners of a claimed partition committed and did not finish. */
#include "takeover.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "deaths.h"
#include "finish.h"
#include "settle.h"

static int republish(struct lane_worker *w, int index, int64_t epoch, struct err *e)
{
        struct recovery r = lane_worker_recovery(w);
        struct lane_partition *x = &w->partitions.list[index];
        int64_t after = x->acked;
        size_t total = 0;
        while (lane_partition_has_epoch(x, epoch) && after < x->sequence) {
                batch_reset(&w->batch);
                int n = recover_outcomes(&r, index, after, &w->batch, &after, e);
                if (n < 0)
                        return -1;
                if (n == 0)
                        break;
                if (outbox_publish(&w->outbox, &w->batch, e) < 0)
                        return -1;
                total += (size_t)n;
        }
        FAILPOINT("recover.republished");
        /* While Kafka takes nothing, more work would only make this longer. */
        if (total && outbox_flush(&w->outbox, e) < 0)
                return -1;
        if (total)
                log_info("outcomes published again", "topic=%s partition=%d count=%zu", x->at.topic,
                         (int)x->at.partition, total);
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

static int settle_intents(struct lane_worker *w, int index, int64_t epoch, struct err *e)
{
        struct recovery r = lane_worker_recovery(w);
        struct lane_partition *x = &w->partitions.list[index];
        while (lane_partition_has_epoch(x, epoch)) {
                batch_reset(&w->batch);
                if (deaths_is_careful(x))
                        recover_limit(&r, index, 1);
                int n = recover_intents(&r, index, &w->batch, e);
                if (n <= 0)
                        return n;
                log_info("settling intents of an earlier owner", "topic=%s partition=%d count=%d",
                         x->at.topic, (int)x->at.partition, n);
                for (size_t i = 0; i < w->batch.n; i++)
                        decide_intent(&w->batch.entries[i]);
                if (deaths_is_careful(x) &&
                    deaths_begin_task(w, &w->batch.entries[0], ENTRY_ACTED, e) < 0)
                        return -1;
                if (batch_group(&w->batch, ENTRY_PENDING, e) < 0)
                        return -1;
                int rc = settle_reevaluate(&w->transactor, &w->batch, e);
                if (rc == 0)
                        rc = settle_intend(&w->transactor, &w->batch, e);
                if (rc == 0)
                        rc = finish_batch(w, e);
                if (rc == TRANSACTION_TOO_LARGE)
                        recover_limit(&r, index, batch_fewer((size_t)n));
                else if (rc != 0)
                        return rc;
        }
        return 0;
}

int takeover_finish(struct lane_worker *w, struct err *e)
{
        for (size_t i = 0; i < w->partitions.n; i++) {
                struct lane_partition *x = &w->partitions.list[i];
                int64_t epoch = x->at.epoch;
                if (x->state != LANE_PARTITION_CLAIMED)
                        continue;
                if (republish(w, (int)i, epoch, e) < 0)
                        return -1;
                int rc = settle_intents(w, (int)i, epoch, e);
                if (rc != 0)
                        return rc;
                if (lane_partition_has_epoch(x, epoch))
                        x->state = LANE_PARTITION_READY;
        }
        return 0;
}
