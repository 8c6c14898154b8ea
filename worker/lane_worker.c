/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of the loop share. */
#include "lane_worker.h"

#include "base/log.h"
#include "daemon/daemon.h"
#include "intake.h"

#include <stdio.h>
#include <string.h>

/* of the drain's time, at most: to leave the group, and to save the last acknowledgements */
enum { LEAVE_MS = 5000 };

void lane_worker_log_trouble(struct lane_worker *w, const struct err *e)
{
        if (!trouble_is_news(&w->trouble, e, monotonic_ms()))
                return;
        log_warn("cannot make progress, will retry", "lane=%s thread=%d class=%s error=" LOG_Q,
                 lane_name(w->o->lane), w->o->number, err_class_name(e->class), e->text);
}

void lane_worker_log_recovered(struct lane_worker *w)
{
        if (trouble_is_over(&w->trouble))
                log_info("recovered", "lane=%s thread=%d", lane_name(w->o->lane), w->o->number);
        w->failing_ms = 0;
}

/* After the first signal the work in hand has worker.drain_timeout, but for what leaving takes. */
static bool is_late(struct lane_worker *w)
{
        if (!daemon_stopping())
                return false;
        int64_t limit = w->o->service->worker.drain_timeout_ms;
        if (!w->stop_ms)
                w->stop_ms = monotonic_ms() + limit - (limit / 3 < LEAVE_MS ? limit / 3 : LEAVE_MS);
        return monotonic_ms() >= w->stop_ms;
}

int lane_worker_stopping(void *ctx)
{
        return daemon_stop_now() || is_late(ctx);
}

int lane_worker_partition_index(struct lane_worker *w, const char *topic, int32_t partition)
{
        const struct service_intake *x = w->topic ? NULL : intake_of(w->o->service, topic);
        const char *lasting = w->topic ? w->topic : x ? x->topic : topic;
        return lane_partitions_index(&w->partitions, lasting, partition);
}

struct lane_partition *lane_worker_consumed(struct lane_worker *w, int index)
{
        struct lane_partition *x = index < 0 ? NULL : &w->partitions.list[index];
        return x && x->state == LANE_PARTITION_READY ? x : NULL;
}

struct recovery lane_worker_recovery(struct lane_worker *w)
{
        return (struct recovery){ .db = w->db,
                                  .runs = w->runs,
                                  .packs = w->o->packs,
                                  .types = w->types,
                                  .partitions = &w->partitions,
                                  .version_wait_ms = w->o->service->retry.version_wait_ms };
}
