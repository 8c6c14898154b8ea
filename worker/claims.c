/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of the partitions that the consumer group assigns, and their end. */
#include "claims.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "deaths.h"
#include "offset_checks.h"
#include "parked.h"

#include <stdio.h>
#include <string.h>

enum { CLAIM_LOCK_MS = 2000, FLUSH_MS = 2000 };

/* The partition is ours from here on, unless its stored offset is not in the topic. */
static int claim(struct lane_worker *w, struct kafka_partition *k, struct err *e)
{
        int rc, index = lane_worker_partition_index(w, k->topic, k->partition);
        if (index < 0)
                return err_set(e, ERR_FATAL, "", "more than %d partitions", LANE_PARTITIONS_MAX);
        struct lane_partition *x = &w->partitions.list[index];
        do
                rc = lane_partition_claim(w->db, w->cluster, w->owner, x, e) < 0
                             ? -1
                             : offset_checks_after_claim(w, x, &k->offset, e);
        while (rc == POSITION_CLAIM_AGAIN);
        if (rc >= 0 && x->state == LANE_PARTITION_CLAIMED)
                rc = parked_retry_unknown(w->db, x, e);
        return rc < 0 ? -1 : 0;
}

void claims_release(void *ctx, const struct kafka_partition *list, size_t n, bool busy)
{
        struct lane_worker *w = ctx;
        for (size_t i = 0; i < n; i++) {
                int index = lane_worker_partition_index(w, list[i].topic, list[i].partition);
                if (index < 0)
                        continue;
                struct lane_partition *x = &w->partitions.list[index];
                if (!busy)
                        x->state = LANE_PARTITION_NONE;
                else if (lane_partition_is_owned(x))
                        x->state = LANE_PARTITION_REVOKED;
        }
}

void claims_drop_revoked(struct lane_worker *w)
{
        for (size_t i = 0; i < w->partitions.n; i++)
                if (w->partitions.list[i].state == LANE_PARTITION_REVOKED)
                        w->partitions.list[i].state = LANE_PARTITION_NONE;
}

/* All that was assigned or none; the reason is logged once. */
static int refuse(struct lane_worker *w, const struct kafka_partition *list, size_t n,
                  size_t failed, const struct err *e)
{
        claims_release(w, list, n, false);
        if (strncmp(w->claim_failure, e->text, sizeof w->claim_failure - 1) != 0)
                log_error("cannot claim an assigned partition, will retry",
                          "lane=%s partition=%d error=" LOG_Q, lane_name(w->o->lane),
                          (int)list[failed].partition, e->text);
        snprintf(w->claim_failure, sizeof w->claim_failure, "%s", e->text);
        return -1;
}

static int set_lock_timeout(struct lane_worker *w, int64_t ms, struct err *e)
{
        char sql[64];
        snprintf(sql, sizeof sql, "set lock_timeout = %lld", (long long)ms);
        return db_exec(w->db, sql, e);
}

/* A claim waits for the row of an owner whose transaction is under way: not for long, since the
 * group must be served. What is refused is assigned again. */
int claims_assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        struct lane_worker *w = ctx;
        int64_t usual = w->o->service->worker.lock_timeout_ms;
        if (!w->db)
                return err_set(e, ERR_RETRY, "", "no database connection");
        if (set_lock_timeout(w, CLAIM_LOCK_MS, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                if (claim(w, &list[i], e) < 0) {
                        struct err first = *e;
                        (void)!set_lock_timeout(w, usual, e);
                        *e = first;
                        return refuse(w, list, n, i, e);
                }
        FAILPOINT("partitions.claimed");
        if (set_lock_timeout(w, usual, e) < 0)
                return refuse(w, list, n, 0, e);
        w->claim_failure[0] = '\0';
        w->any_parked = true; /* until it is known */
        w->parked_ms = 0;
        return 0;
}

void claims_note_acknowledged(struct lane_worker *w)
{
        if (w->outbox.n > 0 || w->outbox.failed)
                return;
        for (size_t i = 0; i < w->partitions.n; i++)
                if (w->partitions.list[i].state == LANE_PARTITION_READY)
                        w->partitions.list[i].acked = w->partitions.list[i].sequence;
}

/* What is pending gets a moment to be acknowledged, and that is saved: so much less is published
 * again by the next owner. */
void claims_flush(void *ctx)
{
        struct lane_worker *w = ctx;
        struct err ignored = ERR_INIT;
        if (!w->db || !db_alive(w->db) || !w->publisher || w->outbox.failed)
                return;
        (void)!publisher_flush(w->publisher, FLUSH_MS);
        (void)!transaction_checkpoint(&w->transactor, &ignored);
        deaths_leave_in_order(w);
}

static int renew(struct lane_worker *w, struct lane_partition *x, struct err *e)
{
        struct position_gap found;
        int rc = lane_partition_reclaim(w->db, x, e);
        if (rc != LANE_PARTITION_RECLAIMED)
                return rc < 0 ? -1 : CLAIMS_LOST;
        if (offset_checks_get(w, x, &found, e) < 0)
                return -1;
        x->at.verify = -1; /* it was, when we joined */
        if (found.check != OFFSET_VALID)
                return CLAIMS_LOST;
        if (kafka_seek(w->membership.consumer, x->at.topic, x->at.partition, x->at.next, e) == 0)
                return CLAIMS_RENEWED;
        /* claimed, but not assigned by the group any more */
        return strcmp(e->code, "_STATE") == 0 ? CLAIMS_LOST : -1;
}

int claims_renew(struct lane_worker *w, struct err *e)
{
        for (size_t i = 0; i < w->partitions.n; i++) {
                struct lane_partition *x = &w->partitions.list[i];
                int rc = lane_partition_is_owned(x) ? renew(w, x, e) : CLAIMS_RENEWED;
                if (rc != CLAIMS_RENEWED)
                        return rc;
        }
        return CLAIMS_RENEWED;
}
