/*
 * What kills the worker again and again is quarantined. A claim counts how often owners of the
 * partition died without getting anywhere (rollcall.count_deaths). After two deaths each task is
 * done alone, with its offset noted before; the one that an owner died in then is not tried a
 * fourth time.
 */
#include "pump_internal.h"

#include "base/log.h"
#include "worker_statements.h"

#include <string.h>

enum { CAREFUL_DEATHS = 2, DEADLY_DEATHS = 3, CAREFUL_MS = 30000 };

static const char reason[] = "the worker died three times while doing this";

bool pump_careful(const struct source *s)
{
        return s->deaths >= CAREFUL_DEATHS;
}

void pump_be_careful(struct pump *p, struct source *s, int64_t high)
{
        s->careful_to = pump_careful(s) ? high : 0;
        if (s->careful_to && s->next + (int64_t)p->batch_max < high)
                s->careful_to = s->next + (int64_t)p->batch_max; /* no batch was larger */
        s->careful_ms = monotonic_ms() + CAREFUL_MS;
        if (pump_careful(s))
                log_warn("earlier owners died without progress: one task at a time",
                         "topic=%s partition=%d offset=%lld deaths=%d", s->topic, (int)s->partition,
                         (long long)s->next, s->deaths);
}

/* What is being tried; NULL: nothing, all is well. */
static int note(struct pump *p, const struct source *s, const int64_t *trying, struct err *e)
{
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(256);
        if (!q)
                return err_oom(e);
        db_add_int4(q, s->source_no);
        db_add_int8(q, s->epoch);
        if (trying)
                db_add_int8(q, *trying);
        else
                db_add_null(q);
        return db_query(p->db, sql_position_trying, q, NULL, e);
}

int pump_try(struct pump *p, struct entry *en, enum entry_state decided, struct err *e)
{
        struct source *s = &p->sources.list[en->source];
        if (s->deaths >= DEADLY_DEATHS && s->trying == en->offset &&
            (en->state == ENTRY_READY || en->state == ENTRY_PENDING)) {
                log_error("task quarantined: the worker died three times while doing it",
                          "topic=%s partition=%d offset=%lld", s->topic, (int)s->partition,
                          (long long)en->offset);
                en->outcome = OUTCOME_QUARANTINED;
                en->again = en->behind = false;
                en->reason = span_of(reason);
                en->state = decided;
                s->trying = INT64_MIN;
                return 0;
        }
        return note(p, s, &en->offset, e);
}

int pump_tried(struct pump *p, struct source *s, struct err *e)
{
        if (!pump_careful(s) || s->next < s->careful_to || monotonic_ms() < s->careful_ms)
                return 0;
        s->deaths = 0;
        return note(p, s, NULL, e);
}

void pump_leave_in_order(struct pump *p)
{
        struct err ignored = ERR_INIT;
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(512);
        if (!q || !db_alive(p->db))
                return;
        db_add_str(q, p->owner);
        (void)!db_query(p->db, sql_position_leave, q, NULL, &ignored);
}
