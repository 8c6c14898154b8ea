/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the parts of the scheduler share: configuration, connections, the lease. One thread uses it;
 * planners have connections of their own.
 *
 * The duties of the leader return 0, -1 (error), or LEAD_LOST: another scheduler leads, and nothing
 * was changed.
 */
#include "lease.h"
#include "ledger/ledger.h"
#include "publish/publish.h"

/* Of publishing, beside 0, -1 and LEAD_LOST: there is more to do at once. */
enum { WORK_LEFT = LEAD_LOST + 1 };

struct context {
        const struct service *service;
        const struct packs *packs;
        struct db *db, *lease_db;
        struct lease lease;
        struct type_numbers *types;
        struct publisher *publisher;
        struct publisher *prompt; /* for requests of a few tasks: no run's tasks are before them */
        const char *cluster;      /* the publisher's */
        struct db_params *params;
        uint32_t last_token; /* upper half of the tokens of what was begun last */
};
