/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A plan in the making: what the files that write it share. Their errors are the run's: the text
 * names the statement's file. */
#include "lease.h"
#include "ledger/ledger.h"
#include "pack/statement.h"

struct plan_options {
        const struct service *service;
        const struct type_numbers *types; /* must outlive the planner */
        struct lease lease;               /* as it is now */
        bool manual;                      /* the run's cause */
        int partitions[LANE_COUNT];       /* of the lanes' topics; 0: not known */
};

struct planning {
        struct db *db;
        struct db_params *params;
        const struct run *run;
        const struct plan_options *o;
        int chunk; /* of the plan: the next one */
        int64_t planned;
        int64_t population;        /* -1: the job does not say */
        struct uuid_digest digest; /* of the task ids */
        bool by_task;              /* a chunk has no partition */
};
