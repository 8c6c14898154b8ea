#include "batch.h"

int64_t retry_delay_ms(const struct retry_policy *p, int tries)
{
        int64_t limit = p->base_ms;
        for (int i = 1; i < tries && limit < p->max_ms; i++)
                limit *= 2;
        if (limit > p->max_ms)
                limit = p->max_ms;
        int64_t least = p->patient ? limit / 2 : 0;
        return least + (int64_t)((uint64_t)p->random() * ((uint64_t)(limit - least) + 1) >> 32);
}

void entry_fail(struct entry *en, const struct retry_policy *p, struct span reason)
{
        en->reason = reason.ptr ? reason : SPAN_LIT("failed");
        en->again = en->behind = en->locked = false;
        if (en->dry_run) {
                en->outcome = OUTCOME_FAILED;
                return;
        }
        en->tries++;
        en->outcome = OUTCOME_QUARANTINED;
        en->again = en->tries < p->attempts;
        en->delay_ms = en->again ? retry_delay_ms(p, en->tries) : 0;
}

void entry_wait(struct entry *en, struct span reason, int64_t delay_ms)
{
        en->reason = reason;
        en->outcome = OUTCOME_QUARANTINED; /* of no meaning while it is again */
        en->again = true;
        en->behind = en->paused = en->locked = false;
        en->delay_ms = delay_ms;
        en->state = en->state == ENTRY_PENDING ? ENTRY_ACTED : ENTRY_DECIDED;
}

void batch_wait_for_newer(struct batch *b, int64_t ms)
{
        for (size_t i = 0; ms > 0 && i < b->n; i++)
                if (b->entries[i].state == ENTRY_DECIDED && b->entries[i].unknown)
                        entry_wait(&b->entries[i], b->entries[i].reason, ms);
}

void entry_stand_behind(struct entry *en, bool quarantined)
{
        en->outcome = OUTCOME_QUARANTINED;
        en->behind = true;
        en->again = !quarantined;
        en->reason =
                quarantined
                        ? SPAN_LIT("behind an earlier task of the same subject that is quarantined")
                        : SPAN_LIT(
                                  "behind an earlier task of the same subject that is tried again");
}

void entry_cancel(struct entry *en)
{
        bool begun = en->attempt > 1 && !en->held; /* by an earlier owner */
        en->state = ENTRY_ACTED;
        en->outcome = begun ? OUTCOME_UNKNOWN : OUTCOME_SKIPPED;
        en->reason = begun ? SPAN_LIT("run cancelled; whether it was done before is not known")
                           : SPAN_LIT("run cancelled");
}

static bool set_aside(const struct entry *en)
{
        return (en->state == ENTRY_DECIDED || en->state == ENTRY_ACTED) && !en->paused &&
               (en->again || en->outcome == OUTCOME_QUARANTINED);
}

static void stand_behind(struct unit *u, const struct entry *first)
{
        size_t kept = 0;
        for (size_t i = 0; i < u->n; i++) {
                struct entry *en = u->list[i];
                bool waits = !en->dry_run &&
                             (en->state == ENTRY_READY || en->state == ENTRY_PENDING) &&
                             span_eq(en->task.subject, first->task.subject);
                if (waits) {
                        entry_stand_behind(en, !first->again);
                        en->state = en->state == ENTRY_READY ? ENTRY_DECIDED : ENTRY_ACTED;
                } else {
                        u->list[kept++] = en;
                }
        }
        u->n = kept;
}

void batch_stand_behind(struct batch *b, size_t unit)
{
        const struct unit *u = &b->units[unit];
        for (size_t i = 0; i < u->n; i++)
                for (size_t later = unit + 1; set_aside(u->list[i]) && later < b->n_units; later++)
                        stand_behind(&b->units[later], u->list[i]);
}
