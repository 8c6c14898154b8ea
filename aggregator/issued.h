/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The last sequence that the ledger has issued of each partition that workers consume, as the
 * database reported it. An event with a higher one is forged: it would make the aggregator refuse
 * all later events of its source partition as duplicates. Part of the core: no I/O, no clock.
 */
#include "base/err.h"
#include "model/messages.h"

struct issued {
        struct issued_topic {
                char *name;    /* owned */
                int64_t *last; /* by partition; -1: no such partition; owned */
                size_t n;
        } *list;
        size_t n;
        instant now; /* the database's clock at the time of the query */
};

void issued_deinit(struct issued *x);
/* -1: out of memory. */
int issued_set(struct issued *x, const char *topic, int32_t partition, int64_t last);
/* ERR_INPUT: as far as `x` shows, the ledger cannot have issued this event; query the database
 * before you refuse it. `now`: by the database's clock. */
int issued_check(const struct issued *x, const struct outcome_event *m, instant now, struct err *e)
        MUST_CHECK;
