/* SPDX-License-Identifier: Apache-2.0 */
/* Membership of a consumer group: when it is served, and what assigning and revoking do. */
#include "membership.h"

#include "base/failpoint.h"
#include "base/log.h"

#include <string.h>

enum { SERVE_AT_LEAST_MS = 10000, SERVE_BUSY_MS = 1000 };

/* ---- callbacks of the group ---- */

static int on_assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        struct membership *m = ctx;
        m->refused = true;
        if (m->state == MEMBERSHIP_BUSY)
                return err_set(e, ERR_RETRY, "", "a statement is under way");
        m->state = MEMBERSHIP_REBALANCING;
        int rc = m->owner.claim(m->owner.ctx, list, n, e);
        m->state = MEMBERSHIP_JOINED;
        if (rc < 0)
                return -1;
        m->refused = false;
        log_info("partitions assigned", "lane=%s thread=%d count=%zu", m->owner.lane,
                 m->owner.number, n);
        return 0;
}

static void on_revoked(void *ctx, const struct kafka_partition *list, size_t n, bool lost)
{
        struct membership *m = ctx;
        enum membership_state before = m->state;
        FAILPOINT("partitions.revoked");
        if (before != MEMBERSHIP_BUSY) {
                m->state = MEMBERSHIP_REBALANCING;
                if (!lost)
                        m->owner.flush(m->owner.ctx);
                m->state = before;
        }
        m->owner.release(m->owner.ctx, list, n, before == MEMBERSHIP_BUSY);
        log_info("partitions revoked", "lane=%s thread=%d count=%zu lost=%s", m->owner.lane,
                 m->owner.number, n, lost ? "true" : "false");
}

/* ---- joining and leaving ---- */

int membership_join(struct membership *m, const struct kafka_options *o,
                    struct kafka_consumer_options options, struct err *e)
{
        options.events = (struct kafka_consumer_events){ m, on_assigned, on_revoked };
        m->state = MEMBERSHIP_JOINED;
        return kafka_consumer_new(o, &options, &m->consumer, e);
}

void membership_leave(struct membership *m)
{
        kafka_consumer_free(TAKE(m->consumer));
        m->state = MEMBERSHIP_JOINED;
}

/* ---- serving ---- */

static int poll_group(struct membership *m, int timeout_ms, struct kafka_message *list, size_t max,
                      struct err *e)
{
        m->polled_ms = monotonic_ms();
        m->refused = false;
        return kafka_poll(m->consumer, timeout_ms, list, max, e);
}

int membership_poll(struct membership *m, int timeout_ms, struct kafka_message *list, size_t max,
                    struct err *e)
{
        int n = poll_group(m, timeout_ms, list, max, e);
        if (n >= 0)
                return n;
        if (strcmp(e->code, "OFFSET_OUT_OF_RANGE") == 0)
                m->state = MEMBERSHIP_REJOINING; /* the next claim finds what is wrong */
        else if (e->class == ERR_FATAL && !m->refused)
                m->state = MEMBERSHIP_BROKEN;
        return -1;
}

int membership_serve(struct membership *m, struct err *e)
{
        int rc = poll_group(m, 0, NULL, 0, e);
        if (kafka_consumer_broker_restarted(m->consumer))
                rc = err_set(e, ERR_FATAL, "", "the embedded broker was restarted");
        if (rc >= 0 || m->refused || e->class != ERR_FATAL)
                return 0;
        m->state = MEMBERSHIP_BROKEN;
        return -1;
}

int membership_serve_if_due(struct membership *m, struct err *e)
{
        return monotonic_ms() - m->polled_ms > SERVE_AT_LEAST_MS ? membership_serve(m, e) : 0;
}

void membership_serve_busy(struct membership *m)
{
        struct err ignored = ERR_INIT;
        if (!m->consumer || m->state != MEMBERSHIP_JOINED ||
            monotonic_ms() - m->polled_ms < SERVE_BUSY_MS)
                return;
        m->state = MEMBERSHIP_BUSY;
        if (membership_serve(m, &ignored) == 0)
                m->state = MEMBERSHIP_JOINED;
}

bool membership_is_broken(struct membership *m)
{
        if (m->consumer && kafka_consumer_broker_restarted(m->consumer))
                m->state = MEMBERSHIP_BROKEN;
        return m->state == MEMBERSHIP_BROKEN;
}
