/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a task that fails, waits, is blocked or is cancelled. */
#include "entry.h"

void entry_decide(struct entry *en, enum outcome outcome, struct span reason)
{
        en->state = ENTRY_DECIDED;
        en->outcome = outcome;
        en->reason = reason;
}

void entry_dead_letter(struct entry *en, struct span reason)
{
        en->state = ENTRY_DEAD;
        en->reason = reason;
}

void entry_fail(struct entry *en, const struct retry_policy *p, struct span reason)
{
        en->reason = reason.ptr ? reason : SPAN_LIT("failed");
        en->parked = PARKED_NOT;
        en->locked = false;
        if (en->dry_run) {
                en->outcome = OUTCOME_FAILED;
                return;
        }
        en->tries++;
        bool retried = en->tries < p->attempts;
        en->outcome = OUTCOME_QUARANTINED;
        en->parked = retried ? PARKED_RETRY : PARKED_QUARANTINED;
        en->delay_ms = retried ? retry_delay_ms(p, en->tries) : 0;
}

void entry_park(struct entry *en, enum parked why, struct span reason, int64_t delay_ms)
{
        en->reason = reason;
        en->outcome = OUTCOME_QUARANTINED;
        en->parked = why;
        en->locked = false;
        en->delay_ms = delay_ms;
        en->state = en->state == ENTRY_PENDING ? ENTRY_ACTED : ENTRY_DECIDED;
}

void entry_block(struct entry *en, bool quarantined)
{
        en->outcome = OUTCOME_QUARANTINED;
        en->parked = quarantined ? PARKED_BLOCKED_BY_QUARANTINED : PARKED_BLOCKED;
        en->reason = quarantined ? SPAN_LIT("blocked by an earlier task of the same subject, "
                                            "which is quarantined")
                                 : SPAN_LIT("blocked by an earlier task of the same subject, "
                                            "which is retried");
}

void entry_cancel(struct entry *en)
{
        bool begun = en->attempt > 1 && !en->was_parked; /* by an earlier owner */
        en->state = ENTRY_ACTED;
        en->outcome = begun ? OUTCOME_UNKNOWN : OUTCOME_SKIPPED;
        en->reason = begun ? SPAN_LIT("run cancelled; whether it was done before is not known")
                           : SPAN_LIT("run cancelled");
}

void entry_pass(struct entry *en)
{
        if (en->state == ENTRY_READY && en->run)
                en->state = ENTRY_PASSED;
        else
                entry_park(en, PARKED_PAUSED, SPAN_LIT("its task type is paused"), 0);
}
