/* SPDX-License-Identifier: Apache-2.0 */
/* Stores the batch with its positions, and begins another one. */
#include "aggregator/batch.h"

#include "aggregator/store_batch.h"
#include "base/failpoint.h"
#include "base/log.h"

enum { COMPARE_MS = 2000, OWNER_CHANGED_MS = 1000 };

static void begin_batch(struct aggregator *a)
{
        a->batch.events = 0;
        a->batch.dead_letters = NULL;
        a->batch.dead_letters_end = &a->batch.dead_letters;
        arena_reset(a->batch.memory);
}

void batch_discard(struct aggregator *a)
{
        fold_discard(a->fold);
        for (size_t i = 0; i < a->n_partitions; i++)
                partition_reset(&a->partitions[i]);
        begin_batch(a);
}

int batch_need_database(struct aggregator *a, struct err *e)
{
        if (!aggregator_has_database(a))
                batch_discard(a);
        return aggregator_need_database(a, e);
}

static void note_stored(struct aggregator *a)
{
        struct kafka_partition moved[64];
        struct fold_changes c;
        size_t n = 0;
        fold_changes(a->fold, &c);
        a->counted += c.counted;
        a->duplicates += c.duplicates;
        for (size_t i = 0; i < a->n_partitions; i++) {
                struct partition *x = &a->partitions[i];
                x->touched = false;
                if (x->next == x->at.next)
                        continue;
                x->at.digest = x->next_digest;
                a->undecodable += x->dead_letters - x->dead_letters_stored;
                x->at.next = x->next;
                x->dead_letters_stored = x->dead_letters;
                moved[n++] = (struct kafka_partition){ x->at.topic, x->at.partition, x->next };
                if (n == ARRAY_LEN(moved)) {
                        kafka_commit_async(a->consumer, moved, n);
                        n = 0;
                }
        }
        kafka_commit_async(a->consumer, moved, n);
        fold_commit(a->fold);
        begin_batch(a);
}

/* The connection broke, or the server wants the transaction to be retried. Whether the batch was
 * stored, the positions show after the next claim. */
static void log_retry(struct aggregator *a, const struct err *why)
{
        if (aggregator_has_database(a)) {
                log_warn("batch not stored, will retry", "code=%s error=" LOG_Q, why->code,
                         why->text);
                return;
        }
        store_detach(a->store);
        aggregator_log_database(a, why);
}

int batch_fail(struct aggregator *a, const struct err *why, struct err *e)
{
        batch_discard(a);
        if (why->class != ERR_RETRY) {
                *e = *why;
                return -1;
        }
        log_retry(a, why);
        a->claim_not_before_ms = 0;
        return 0;
}

/* Sequences only rise: once one of a re-created topic is aggregated, what the deleted topic lost
 * below it is lost. So all messages of a batch must be of the topic that was claimed. */
static int store_compared(struct aggregator *a, struct err *e)
{
        if (!store_db(a->store))
                return err_set(e, ERR_RETRY, "", "no connection");
        if (aggregator_need_publisher(a, e) < 0)
                return -1;
        int others = kafka_find_recreated(a->consumer, publisher_client(a->publisher), COMPARE_MS,
                                          NULL, 0, e);
        if (others < 0)
                return -1;
        if (others > 0)
                return err_set(e, ERR_RETRY, "",
                               "%d partitions of %s were re-created while they were consumed",
                               others, a->service->topic_results);
        return store_batch(a->store, a->partitions, a->n_partitions, a->fold, a->batch.dead_letters,
                           e);
}

int batch_store(struct aggregator *a, struct err *e)
{
        if (a->batch.events == 0)
                return BATCH_STORED;
        struct err why = ERR_INIT;
        int rc = store_compared(a, &why);
        if (rc == STORE_COMMITTED) {
                FAILPOINT("totals.committed");
                note_stored(a);
                return BATCH_STORED;
        }
        if (rc < 0)
                return batch_fail(a, &why, e) < 0 ? err_prefix(e, "storing a batch")
                                                  : BATCH_DISCARDED;
        batch_discard(a);
        log_warn("batch not stored: another aggregator owns a partition now", "owner=%s", a->owner);
        /* time for the group to assign the partitions */
        a->claim_not_before_ms = monotonic_ms() + OWNER_CHANGED_MS;
        return BATCH_DISCARDED;
}
