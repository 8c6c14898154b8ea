/* SPDX-License-Identifier: Apache-2.0 */
/* Once a second: this thread is registered, its positions are verified, paused types are read. */
#include "ownership.h"

#include "base/log.h"
#include "daemon/reload.h"
#include "db/columns.h"
#include "ledger/presence.h"
#include "offset_checks.h"
#include "type_retry.h"
#include "worker_statements.h"

#include <stdlib.h>

enum {
        VERIFY_MS = 1000,
        UNASSIGNED_MS = 10000,
        PARTITIONS_TIMEOUT_MS = 5000,
        FAILING_MS = 5000,
        FAILED_MS = 15000
};
enum { C_KEPT, C_PARTITION, C_PAUSED_TYPES, C_TOPIC };

/* ---- registration ---- */

/* What has failed repeatedly for some time, and did lately: not what failed once. */
static const char *lasting_failure(struct lane_worker *w)
{
        int64_t now = monotonic_ms();
        if (w->failing_ms && now - w->failed_ms > FAILED_MS)
                w->failing_ms = 0;
        return w->failing_ms && w->failed_ms - w->failing_ms > FAILING_MS ? w->failure : NULL;
}

static int register_presence(struct lane_worker *w, struct err *e)
{
        struct presence me = { .name = w->owner,
                               .program = "rollcall-worker",
                               .lane = lane_name(w->o->lane) };
        int32_t *partitions CLEANUP(cleanup_free) = calloc(w->partitions.n + 1, sizeof *partitions);
        if (!partitions)
                return err_oom(e);
        for (size_t i = 0; i < w->partitions.n; i++)
                if (lane_partition_is_owned(&w->partitions.list[i]))
                        partitions[me.n_partitions++] = w->partitions.list[i].at.partition;
        me.partitions = partitions;
        me.waits_for = lasting_failure(w);
        char refused[DAEMON_REFUSED_MAX];
        me.refused_reload = daemon_reload_refused(refused, &me.refused_at);
        return presence_note(w->db, &me, &w->present_ms, e);
}

static void log_notices(struct lane_worker *w)
{
        size_t n;
        for (const struct notice *x;
             (x = notices_next(&w->transactor.notices, monotonic_ms(), &n));)
                log_info("statement raised notices", "type=%s lane=%s count=%zu first=" LOG_Q,
                         x->type->full_name, lane_name(w->o->lane), n, x->first);
}

/* ---- positions ---- */

static bool is_held(const void *row, void *ctx)
{
        const struct lane_partition *x = row;
        (void)ctx;
        return x->state != LANE_PARTITION_NONE;
}

static void add_topics(const struct lane_worker *w, struct db_params *p)
{
        const struct service *s = w->o->service;
        const char *topics[INTAKES_MAX] = { w->topic };
        for (size_t i = 0; !w->topic && i < s->n_intakes; i++)
                topics[i] = s->intakes[i].topic;
        db_add_strings(p, topics, w->topic ? 1 : s->n_intakes);
}

static void verify_params(struct lane_worker *w, struct db_params *p)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_INT4, struct lane_partition, at.source_no),
                DB_FIELD(DB_INT8, struct lane_partition, at.epoch),
                DB_FIELD(DB_INT8, struct lane_partition, at.next),
        };
        struct db_rowset rows = DB_ARRAY(w->partitions.list, w->partitions.n);
        rows.wanted = is_held;
        db_params_reset(p);
        db_add_columns(p, &rows, columns, ARRAY_LEN(columns));
        db_add_str(p, w->cluster);
        add_topics(w, p);
        db_add_str(p, w->owner);
}

/* The table gives us a partition that the group does not: a group that was balanced while the topic
 * was missing has no partitions, and librdkafka does not check again when it comes back as it was.
 */
static int check_unassigned(struct lane_worker *w, const char *topic, int64_t partition,
                            struct err *e)
{
        if (!w->unassigned_ms)
                w->unassigned_ms = monotonic_ms();
        if (monotonic_ms() - w->unassigned_ms < UNASSIGNED_MS)
                return OWNERSHIP_KEPT;
        w->unassigned_ms = 0;
        int count = kafka_topic_partitions(w->membership.consumer, topic, PARTITIONS_TIMEOUT_MS, e);
        return count < 0 ? -1 : partition < count ? OWNERSHIP_LOST : OWNERSHIP_KEPT;
}

static size_t count_held(const struct lane_partitions *s)
{
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++)
                n += s->list[i].state != LANE_PARTITION_NONE;
        return n;
}

int ownership_verify(struct lane_worker *w, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (monotonic_ms() - w->verified_ms < VERIFY_MS)
                return OWNERSHIP_KEPT;
        w->verified_ms = monotonic_ms();
        if (register_presence(w, e) < 0)
                return -1;
        size_t n = count_held(&w->partitions);
        verify_params(w, w->transactor.params);
        if (db_prepare(w->db, "position_verify", sql_position_verify, e) < 0 ||
            db_run(w->db, "position_verify", w->transactor.params, &r, e) < 0)
                return -1;
        log_notices(w);
        pauses_read(&w->transactor.pauses, db_str(r, 0, C_PAUSED_TYPES));
        if ((size_t)db_int(r, 0, C_KEPT) != n)
                return OWNERSHIP_LOST;
        if (type_retry_due(w, e) < 0)
                return -1;
        if (!db_null(r, 0, C_PARTITION))
                return check_unassigned(w, db_str(r, 0, C_TOPIC), db_int(r, 0, C_PARTITION), e);
        w->unassigned_ms = 0;
        int rc = offset_checks_replaced(w, e);
        return rc < 0 ? -1 : rc == OFFSETS_REJOIN ? OWNERSHIP_LOST : OWNERSHIP_KEPT;
}
