/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the thread of one lane has: its connections, its partitions, its batch. The steps of the
 * loop (loop.c) each have a file of their own, and work on this. */
#include "base/trouble.h"
#include "actor.h"
#include "membership.h"
#include "outbox.h"
#include "recover.h"
#include "run_cache.h"
#include "schema_ids.h"

struct lane_worker_options {
        const struct service *service;
        const struct packs *packs;
        enum lane lane;
        int number;               /* of this lane's threads, from 1 */
        void (*ready)(void *ctx); /* called once, when it has joined */
        void *ctx;
};

struct lane_worker {
        const struct lane_worker_options *o;
        char owner[128], group[128];
        char cluster[KAFKA_CLUSTER_ID_MAX];
        const char *topic; /* NULL: the intake topics */
        struct membership membership;
        struct publisher *publisher;
        struct db *db;
        struct type_numbers *types;
        struct run_cache *runs;
        struct places *places;
        struct kafka_searches *searches;
        struct codec *codec;
        struct schema_ids *schema_ids; /* intake */
        struct lane_partitions partitions;
        struct transactor transactor;
        struct outbox outbox;
        struct actor actor;
        struct batch batch;
        struct kafka_message *messages;
        size_t batch_max;
        /* now: batch_max, or fewer where mail is slow, since a crash leaves open what became of a
         * whole batch, and where results are large */
        size_t take;
        bool any_parked; /* the lane has parked tasks, as of parked_ms */

        /* monotonic: when each was done last */
        int64_t parked_ms, checkpoint_ms, verified_ms, present_ms;
        /* since when a partition is ours by the table, but not by the group; 0: none is */
        int64_t unassigned_ms;
        int64_t stop_ms; /* when a drain has lasted long enough; 0: none has begun */

        bool started; /* has worked once: from now on failures are waited out */
        struct trouble trouble;
        char claim_failure[256]; /* that has been logged */
        /* since when the loop has failed repeatedly, 0: it does not; when it failed last */
        int64_t failing_ms, failed_ms;
        char failure[256]; /* the text of that last one */
};

/* Logs trouble that is waited for, at once and each minute while it lasts; and its end. */
void lane_worker_log_trouble(struct lane_worker *w, const struct err *e);
void lane_worker_log_recovered(struct lane_worker *w);
/* For callbacks: non-zero when the process is to stop at once. */
int lane_worker_stopping(void *ctx);
/* The index of a partition among ours, added when it is new; -1: there are too many. */
int lane_worker_partition_index(struct lane_worker *w, const char *topic, int32_t partition);
/* The partition with that index, if it is consumed now; else NULL. */
struct lane_partition *lane_worker_consumed(struct lane_worker *w, int index);
/* What recover.h and its kin need. */
struct recovery lane_worker_recovery(struct lane_worker *w);
