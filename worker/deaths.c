/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kills the worker repeatedly is quarantined. A claim counts how often owners of the
 * partition died without progress (rollcall.count_deaths). After two deaths each task is
 * done alone, with its offset noted before; the one that an owner died in then is not tried a
 * fourth time.
 */
#include "deaths.h"

#include "base/log.h"
#include "worker_statements.h"

#include <string.h>

enum { CAREFUL_DEATHS = 2, DEADLY_DEATHS = 3, CAREFUL_MS = 30000 };

static const char reason[] = "the worker died three times while doing this";

bool deaths_is_careful(const struct lane_partition *x)
{
        return x->deaths >= CAREFUL_DEATHS;
}

void deaths_note_claim(struct lane_worker *w, struct lane_partition *x, int64_t high)
{
        x->careful_to = deaths_is_careful(x) ? high : 0;
        if (x->careful_to && x->at.next + (int64_t)w->batch_max < high)
                x->careful_to = x->at.next + (int64_t)w->batch_max; /* no batch was larger */
        x->careful_ms = monotonic_ms() + CAREFUL_MS;
        if (deaths_is_careful(x))
                log_warn("earlier owners died without progress: one task at a time",
                         "topic=%s partition=%d offset=%lld deaths=%d", x->at.topic,
                         (int)x->at.partition, (long long)x->at.next, x->deaths);
}

/* The offset that is being tried; NULL: none, all is well. */
static int save_trying(struct lane_worker *w, const struct lane_partition *x, const int64_t *trying,
                       struct err *e)
{
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(256);
        if (!q)
                return err_oom(e);
        db_add_int4(q, x->at.source_no);
        db_add_int8(q, x->at.epoch);
        if (trying)
                db_add_int8(q, *trying);
        else
                db_add_null(q);
        return db_query(w->db, sql_position_trying, q, NULL, e);
}

int deaths_begin_task(struct lane_worker *w, struct entry *en, enum entry_state decided,
                      struct err *e)
{
        struct lane_partition *x = &w->partitions.list[en->partition];
        if (x->deaths >= DEADLY_DEATHS && x->trying == en->offset &&
            (en->state == ENTRY_READY || en->state == ENTRY_PENDING)) {
                log_error("task quarantined: the worker died three times while doing it",
                          "topic=%s partition=%d offset=%lld", x->at.topic, (int)x->at.partition,
                          (long long)en->offset);
                en->outcome = OUTCOME_QUARANTINED;
                en->parked = PARKED_QUARANTINED;
                en->reason = span_of(reason);
                en->state = decided;
                x->trying = INT64_MIN;
                return 0;
        }
        return save_trying(w, x, &en->offset, e);
}

int deaths_end_task(struct lane_worker *w, struct lane_partition *x, struct err *e)
{
        if (!deaths_is_careful(x) || x->at.next < x->careful_to || monotonic_ms() < x->careful_ms)
                return 0;
        x->deaths = 0;
        return save_trying(w, x, NULL, e);
}

void deaths_leave_in_order(struct lane_worker *w)
{
        struct err ignored = ERR_INIT;
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(512);
        if (!q || !db_alive(w->db))
                return;
        db_add_str(q, w->owner);
        (void)!db_query(w->db, sql_position_leave, q, NULL, &ignored);
}
