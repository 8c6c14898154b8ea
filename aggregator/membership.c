/* SPDX-License-Identifier: Apache-2.0 */
/* Claims the partitions that the group assigns, and keeps their positions checked. */
#include "aggregator/membership.h"

#include "aggregator/batch.h"
#include "base/log.h"
#include "publish/kafka_options.h"

#include <stdio.h>
#include <stdlib.h>

enum { PREFETCH_BYTES = 8 * 1024 * 1024, BROKER_TIMEOUT_MS = 2000 };

/* ---- claims ---- */

static int need_cluster(struct aggregator *a, struct err *e)
{
        if (*a->cluster)
                return 0;
        const char *id = kafka_consumer_cluster(a->consumer, BROKER_TIMEOUT_MS);
        if (!id)
                return err_set(e, ERR_RETRY, "", "no broker has reported the cluster id");
        snprintf(a->cluster, sizeof a->cluster, "%s", id);
        return 0;
}

/* Claims what is unclaimed, once more where the position had to be repaired. */
static int claim(struct aggregator *a, struct partition *list, size_t n, struct err *e)
{
        const struct partition_context c = aggregator_partition_context(a);
        do {
                if (partitions_claim(&c, list, n, e) < 0 ||
                    store_load_sequences(a->store, list, n, a->fold, e) < 0)
                        return -1;
                for (size_t i = 0; i < n; i++)
                        if (list[i].state == PARTITION_UNCLAIMED &&
                            partition_check(&c, &list[i], e) < 0)
                                return -1;
        } while (partitions_count(list, n, PARTITION_UNCLAIMED));
        if (n)
                aggregator_log_broker(a, NULL);
        return 0;
}

/* After a batch that was not stored: reads the positions again, and seeks to them. */
static int claim_unclaimed(struct aggregator *a, struct err *e)
{
        if (!partitions_count(a->partitions, a->n_partitions, PARTITION_UNCLAIMED) ||
            monotonic_ms() < a->claim_not_before_ms)
                return 0;
        a->claim_not_before_ms = monotonic_ms() + AGGREGATOR_RETRY_MS;
        bool *claimed CLEANUP(cleanup_free) = calloc(a->n_partitions + 1, sizeof *claimed);
        if (!claimed)
                return err_oom(e);
        for (size_t i = 0; i < a->n_partitions; i++)
                claimed[i] = a->partitions[i].state == PARTITION_UNCLAIMED;
        int rc = claim(a, a->partitions, a->n_partitions, e);
        for (size_t i = 0; i < a->n_partitions; i++) {
                struct partition *x = &a->partitions[i];
                if (rc < 0 && claimed[i])
                        x->state = PARTITION_UNCLAIMED;
                if (rc == 0 && claimed[i] && x->state == PARTITION_READY &&
                    kafka_seek(a->consumer, x->at.topic, x->at.partition, x->start, e) < 0) {
                        membership_leave(a);
                        return -1;
                }
        }
        return rc;
}

/* ---- the group ---- */

static int assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        struct aggregator *a = ctx;
        int rc = batch_need_database(a, e);
        if (rc != AVAILABLE)
                return rc < 0 ? -1 : err_set(e, ERR_RETRY, "", "the database is unavailable");
        struct partition *partitions CLEANUP(cleanup_free) = calloc(n + 1, sizeof *partitions);
        if (!partitions)
                return err_oom(e);
        for (size_t i = 0; i < n; i++)
                partitions[i] = (struct partition){ .at = { .topic = list[i].topic,
                                                            .partition = list[i].partition } };
        if (need_cluster(a, e) < 0 || claim(a, partitions, n, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                list[i].offset = partitions[i].start;
        free(a->partitions);
        a->partitions = TAKE(partitions);
        a->n_partitions = n;
        log_info("partitions assigned", "topic=%s partitions=%zu cluster=%s",
                 a->service->topic_results, n, a->cluster);
        return 0;
}

static void revoked(void *ctx, const struct kafka_partition *list, size_t n, bool lost)
{
        struct aggregator *a = ctx;
        (void)list;
        struct err e = ERR_INIT;
        if (!lost && batch_store(a, &e) < 0)
                log_error("batch not stored", "code=%s error=" LOG_Q, e.code, e.text);
        batch_discard(a);
        for (size_t i = 0; i < a->n_partitions; i++)
                fold_forget(a->fold, a->partitions[i].at.source_no);
        free(TAKE(a->partitions));
        a->n_partitions = 0;
        log_info("partitions revoked", "partitions=%zu lost=%s", n, lost ? "true" : "false");
}

int membership_need_consumer(struct aggregator *a, struct err *e)
{
        if (a->consumer)
                return AVAILABLE;
        if (monotonic_ms() < a->consumer_not_before_ms)
                return UNAVAILABLE;
        const char *topics[] = { a->service->topic_results };
        char group[KAFKA_TOPIC_MAX + 16];
        snprintf(group, sizeof group, "%s.aggregator", a->service->kafka.prefix);
        struct kafka_options options;
        if (kafka_options_of(a->service, "rollcall-aggregator", a->properties,
                             AGGREGATOR_PROPERTIES_MAX, &options, e) < 0)
                return -1;
        struct kafka_consumer_options c = {
                .group = group,
                .topics = topics,
                .n_topics = 1,
                .session_timeout_ms = (int)a->service->kafka.session_timeout_ms,
                .prefetch_max_bytes = PREFETCH_BYTES,
                .events = { .ctx = a, .assigned = assigned, .revoked = revoked },
                .searches = a->searches,
        };
        struct err why = ERR_INIT;
        if (kafka_consumer_new(&options, &c, &a->consumer, &why) == 0)
                return AVAILABLE;
        a->consumer_not_before_ms = monotonic_ms() + AGGREGATOR_RETRY_MS;
        if (why.class == ERR_RETRY) {
                aggregator_log_broker(a, &why);
                return UNAVAILABLE;
        }
        *e = why;
        return -1;
}

void membership_leave(struct aggregator *a)
{
        kafka_consumer_free(a->consumer); /* calls `revoked`, which stores the batch */
        a->consumer = NULL;
}

/* ---- what brings nothing ---- */

/* A group that was balanced while the topic did not exist has no partitions, and librdkafka does
 * not notice when the topic is re-created as it was. */
static int check_unassigned(struct aggregator *a, struct err *e)
{
        bool ours = false;
        if (a->n_partitions || !a->consumer) {
                a->unassigned_ms = monotonic_ms();
                return 0;
        }
        if (monotonic_ms() - a->unassigned_ms < AGGREGATOR_CHECK_MS)
                return 0;
        a->unassigned_ms = monotonic_ms();
        if (store_owns(a->store, a->cluster, a->service->topic_results, a->owner, &ours, e) < 0)
                return -1;
        if (ours && kafka_topic_partitions(a->consumer, a->service->topic_results,
                                           BROKER_TIMEOUT_MS, NULL) > 0)
                membership_leave(a);
        return 0;
}

/* A partition that brings nothing may end below its position; one that is stopped may have been
 * repaired. */
static int check_quiet(struct aggregator *a, struct err *e)
{
        const struct partition_context c = aggregator_partition_context(a);
        int64_t now = monotonic_ms();
        for (size_t i = 0; i < a->n_partitions; i++) {
                struct partition *x = &a->partitions[i];
                if (x->next != x->at.next || now - x->seen_ms < AGGREGATOR_CHECK_MS)
                        continue;
                x->seen_ms = now;
                if (x->state == PARTITION_STOPPED) {
                        x->state = PARTITION_UNCLAIMED;
                } else if (x->state == PARTITION_READY) {
                        if (partition_recheck(&c, x, e) < 0)
                                return -1;
                        aggregator_log_broker(a, NULL);
                }
        }
        return 0;
}

int membership_maintain(struct aggregator *a, struct err *e)
{
        return claim_unclaimed(a, e) < 0 || check_quiet(a, e) < 0 || check_unassigned(a, e) < 0 ? -1
                                                                                                : 0;
}
