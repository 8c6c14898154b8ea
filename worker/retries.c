/* SPDX-License-Identifier: Apache-2.0 */
/* Parked tasks that are due: tried, or recorded, partition by partition. */
#include "retries.h"

#include "deaths.h"
#include "finish.h"
#include "parked.h"
#include "record.h"
#include "settle.h"
#include "type_pauses.h"

enum { CHECK_MS = 500, CONTINUE_MS = 250 };

/* Did a task get its outcome? Then one that it blocked may be due. */
static bool any_done(const struct batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (!entry_waits(&b->entries[i]))
                        return true;
        return false;
}

/* `ret_more`: there may be more to do at once; else unchanged. */
static int run_due(struct lane_worker *w, int index, bool *ret_more, struct err *e)
{
        struct recovery r = lane_worker_recovery(w);
        const struct lane_partition *x = &w->partitions.list[index];
        int64_t epoch = x->at.epoch;
        batch_reset(&w->batch);
        if (deaths_is_careful(x))
                recover_limit(&r, index, 1);
        int n = parked_due(&r, index, &w->batch, e);
        if (n <= 0)
                return n;
        if (deaths_is_careful(x) && deaths_begin_task(w, &w->batch.entries[0], ENTRY_ACTED, e) < 0)
                return -1;
        if (batch_group(&w->batch, ENTRY_PENDING, e) < 0)
                return -1;
        int rc = settle_reevaluate(&w->transactor, &w->batch, e);
        if (rc == 0 && !lane_partition_has_epoch(x, epoch))
                return 0;
        if (rc == 0)
                rc = settle_intend(&w->transactor, &w->batch, e);
        if (rc == 0)
                rc = finish_batch(w, e);
        *ret_more |= rc == TRANSACTION_TOO_LARGE || any_done(&w->batch);
        if (rc != TRANSACTION_TOO_LARGE)
                return rc;
        recover_limit(&r, index, batch_fewer((size_t)n));
        return 0;
}

static int record_due_actions(struct lane_worker *w, int index, struct err *e)
{
        struct recovery r = lane_worker_recovery(w);
        batch_reset(&w->batch);
        int n = record_due(&r, index, &w->batch, e);
        if (n <= 0)
                return n;
        if (batch_group(&w->batch, ENTRY_DONE, e) < 0)
                return -1;
        int rc = record_batch(&w->transactor, &w->batch, e);
        if (rc == 0)
                type_pauses_log_committed(&w->transactor, w->o->lane);
        return rc;
}

static int run_once(struct lane_worker *w, bool *ret_more, struct err *e)
{
        bool due = false;
        *ret_more = false;
        if (parked_look(w->db, w->topic, &w->partitions, &w->any_parked, &due, e) < 0)
                return -1;
        for (size_t i = 0; due && i < w->partitions.n; i++) {
                const struct lane_partition *x = lane_worker_consumed(w, (int)i);
                if (!x)
                        continue;
                int rc = run_due(w, (int)i, ret_more, e);
                if (rc == 0 && x->state == LANE_PARTITION_READY)
                        rc = record_due_actions(w, (int)i, e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* One task of each subject is taken at a time. So it reads again at once when something got its
 * outcome, but not for so long that the messages from Kafka have to wait for all of them. */
int retries_run_due(struct lane_worker *w, struct err *e)
{
        int64_t from = monotonic_ms();
        bool more;
        /* a service's requests are not parked */
        if (!w->topic || from - w->parked_ms < CHECK_MS)
                return 0;
        do {
                w->parked_ms = monotonic_ms();
                int rc = run_once(w, &more, e);
                if (rc != 0)
                        return rc;
        } while (more && monotonic_ms() - from < CONTINUE_MS);
        if (more)
                w->parked_ms = 0;
        for (size_t i = 0; i < w->partitions.n; i++)
                if (lane_partition_is_owned(&w->partitions.list[i]) &&
                    deaths_end_task(w, &w->partitions.list[i], e) < 0)
                        return -1;
        batch_reset(&w->batch);
        return 0;
}
