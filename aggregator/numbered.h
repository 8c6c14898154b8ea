#pragma once
/*
 * What the ledger has numbered: of each topic and partition that workers take from, the last number
 * given to an outcome, as the database said. Whoever may write to the results topic could otherwise
 * silence a source by one event with a large number. Part of the core: no I/O, no clock.
 */
#include "base/err.h"
#include "codec/messages.h"

struct numbered {
        struct numbered_topic {
                char *name;    /* owned */
                int64_t *last; /* by partition; -1: there is none such; owned */
                size_t n;
        } *list;
        size_t n;
        instant now; /* the database's, when it was asked */
};

void numbered_deinit(struct numbered *x);
/* -1: out of memory. */
int numbered_set(struct numbered *x, const char *topic, int32_t partition, int64_t last);
/* 0, or ERR_INPUT when the ledger cannot have made this event, as far as it is known: ask again
 * first. `now`: by the database's clock. */
int numbered_check(const struct numbered *x, const struct outcome_event *m, instant now,
                   struct err *e) MUST_CHECK;
