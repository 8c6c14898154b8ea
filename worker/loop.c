/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a lane worker, as docs/protocol.md has it: own, finish what earlier owners left,
 * retry what is due, take messages, decide, act, settle, publish. An error ends the iteration: what
 * is of no use any more is closed, and everything is read from the tables again.
 */
#include "loop.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "claims.h"
#include "daemon/daemon.h"
#include "offset_checks.h"
#include "ownership.h"
#include "resources.h"
#include "retries.h"
#include "take.h"
#include "take_intake.h"
#include "takeover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
        POLL_MS = 100,
        CHECKPOINT_MS = 250,
        BACKOFF_MIN_MS = 250,
        BACKOFF_MAX_MS = 5000,
        BACKOFF_SLICE_MS = 50,
        FLUSH_MS = 2000,
        DRAIN_POLL_MS = 100
};

/* How an iteration, or a step of it, ended; below 0: an error. */
enum step { STEP_DONE = 0, STEP_REJOIN = 1 };

/* The steps' own codes all have 0 for "continue"; every other one means that a partition is not
 * ours as we thought. */
static int step(int rc)
{
        return rc < 0 ? -1 : rc == 0 ? STEP_DONE : STEP_REJOIN;
}

/* ---- one iteration ---- */

/* Everything that is missing is opened; what this process owned before is claimed again. */
static int open_missing(struct lane_worker *w, struct err *e)
{
        if (!w->db) {
                if (resources_open_database(w, e) < 0)
                        return -1;
                int rc = w->membership.consumer ? step(claims_renew(w, e)) : STEP_DONE;
                if (rc != STEP_DONE)
                        return rc;
        }
        return w->publisher && w->membership.consumer ? STEP_DONE : resources_open_kafka(w, e);
}

/* Kafka's own offsets, for lag tools and autoscaling. */
static void commit_group_offsets(struct lane_worker *w)
{
        const struct lane_partitions *all = &w->partitions;
        struct kafka_partition *list = arena_alloc(w->batch.arena, (all->n + 1) * sizeof *list);
        size_t n = 0;
        FAILPOINT("offsets.uncommitted");
        for (size_t i = 0; list && i < all->n; i++) {
                const struct position *at = &all->list[i].at;
                if (lane_partition_is_owned(&all->list[i]))
                        list[n++] = (struct kafka_partition){ at->topic, at->partition, at->next };
        }
        if (n)
                kafka_commit_async(w->membership.consumer, list, n);
        FAILPOINT("offsets.committed");
}

static int save_acknowledged(struct lane_worker *w, struct err *e)
{
        if (monotonic_ms() - w->checkpoint_ms < CHECKPOINT_MS)
                return STEP_DONE;
        w->checkpoint_ms = monotonic_ms();
        claims_note_acknowledged(w);
        return step(transaction_checkpoint(&w->transactor, e));
}

/* Before messages are taken: our partitions are ours, and nothing older is left to do. */
static int prepare(struct lane_worker *w, struct err *e)
{
        if (w->outbox.failed)
                return err_set(e, ERR_RETRY, "", "a message was not accepted by Kafka");
        publisher_poll(w->publisher, 0);
        claims_drop_revoked(w);
        int rc = step(ownership_verify(w, e));
        if (rc == STEP_DONE)
                rc = step(takeover_finish(w, e));
        if (rc == STEP_DONE)
                rc = step(retries_run_due(w, e));
        if (rc == STEP_DONE && !w->topic)
                rc = take_intake_resume(w, e);
        return rc;
}

/* What a poll has brought: new partitions, and messages. */
static int take(struct lane_worker *w, size_t n, struct err *e)
{
        int rc = step(offset_checks_verify(w, w->messages, n, e));
        if (rc == STEP_DONE && kafka_probe_missing(w->membership.consumer))
                rc = step(offset_checks_replaced(w, e));
        if (rc == STEP_DONE)
                rc = step(takeover_finish(w, e));
        int64_t from = monotonic_ms();
        if (rc == STEP_DONE)
                rc = step(w->topic ? take_tasks(w, w->messages, n, e)
                                   : take_intake(w, w->messages, n, e));
        if (w->o->lane == LANE_MAIL)
                w->take = batch_paced(w->take, n, monotonic_ms() - from, w->batch_max);
        if (rc == STEP_DONE)
                commit_group_offsets(w);
        return rc;
}

static int iterate(struct lane_worker *w, struct err *e)
{
        int rc = prepare(w, e);
        if (rc != STEP_DONE)
                return rc;
        int n = membership_poll(&w->membership, POLL_MS, w->messages, w->take, e);
        if (n < 0)
                return -1;
        if (n == 0)
                return save_acknowledged(w, e);
        FAILPOINT("worker.polled");
        rc = take(w, (size_t)n, e);
        batch_reset(&w->batch);
        kafka_release(w->messages, (size_t)n);
        if (rc == STEP_DONE)
                lane_worker_log_recovered(w);
        return rc;
}

/* ---- after a failure ---- */

/* Nothing in memory counts: pending messages get a moment to be acknowledged, the rest is read from
 * the tables again. */
static void reset_after_error(struct lane_worker *w, int rc)
{
        struct membership *m = &w->membership;
        bool broken = membership_is_broken(m);
        if (w->publisher && !w->outbox.failed && !broken)
                (void)!publisher_flush(w->publisher, lane_worker_stopping(w) ? 0 : FLUSH_MS);
        resources_close_database(w);
        claims_drop_revoked(w);
        if (rc == STEP_REJOIN || broken || m->state == MEMBERSHIP_REJOINING)
                resources_leave_group(w);
        if (w->outbox.failed || broken)
                resources_close_publisher(w);
        outbox_reset(&w->outbox);
}

static void wait_backoff(struct lane_worker *w, int ms)
{
        struct timespec slice = { .tv_nsec = BACKOFF_SLICE_MS * 1000000L };
        for (int64_t until = monotonic_ms() + ms; monotonic_ms() < until && !daemon_stopping();) {
                struct err ignored = ERR_INIT;
                if (w->membership.consumer && membership_serve(&w->membership, &ignored) < 0) {
                        resources_leave_group(w);
                        resources_close_publisher(w);
                }
                nanosleep(&slice, NULL);
        }
}

static void note_failure(struct lane_worker *w, int rc, struct err *e)
{
        if (rc == STEP_REJOIN)
                err_set(e, ERR_RETRY, "fenced",
                        "lost ownership of a partition; rejoining the consumer group");
        w->failed_ms = monotonic_ms();
        w->failing_ms = w->failing_ms ? w->failing_ms : w->failed_ms;
        snprintf(w->failure, sizeof w->failure, "%s", e->text);
        lane_worker_log_trouble(w, e);
}

/* ---- the loop ---- */

static void drain(struct lane_worker *w)
{
        struct err e = ERR_INIT;
        while (w->publisher && !w->outbox.failed && publisher_unacked(w->publisher) &&
               !lane_worker_stopping(w))
                publisher_poll(w->publisher, DRAIN_POLL_MS);
        claims_note_acknowledged(w);
        if (w->db && transaction_checkpoint(&w->transactor, &e) != 0)
                log_warn("could not save the last acknowledgements; those events will be "
                         "published again",
                         "lane=%s error=" LOG_Q, lane_name(w->o->lane), e.text);
}

static int loop(struct lane_worker *w, struct err *e)
{
        int backoff = BACKOFF_MIN_MS;
        while (!daemon_stopping()) {
                int rc = open_missing(w, e);
                if (rc < 0 && e->class == ERR_FATAL && !w->started)
                        return -1;
                if (rc == STEP_DONE && !w->started) {
                        w->started = true;
                        w->o->ready(w->o->ctx);
                }
                if (rc == STEP_DONE)
                        rc = iterate(w, e);
                if (rc == STEP_DONE) {
                        backoff = BACKOFF_MIN_MS;
                        continue;
                }
                note_failure(w, rc, e);
                reset_after_error(w, rc);
                /* two that met in a deadlock are not to meet again */
                wait_backoff(w, backoff / 2 + (int)arc4random_uniform((uint32_t)backoff / 2 + 1));
                backoff = backoff * 2 < BACKOFF_MAX_MS ? backoff * 2 : BACKOFF_MAX_MS;
        }
        drain(w);
        return 0;
}

int loop_run(const struct lane_worker_options *o, struct err *e)
{
        struct lane_worker w = { .o = o,
                                 .topic = o->lane == LANE_INTAKE ? NULL
                                                                 : o->service->topics[o->lane] };
        char host[64] = "";
        gethostname(host, sizeof host - 1);
        snprintf(w.owner, sizeof w.owner, "rollcall-worker %s/%d %s#%d", host, (int)getpid(),
                 lane_name(o->lane), o->number);
        snprintf(w.group, sizeof w.group, "%s.worker.%s", o->service->kafka.prefix,
                 lane_name(o->lane));
        int rc = resources_open(&w, e);
        if (rc == 0)
                rc = loop(&w, e);
        resources_close(&w);
        return rc;
}
