/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a results partition lost before it was aggregated is aggregated from the ledger, which has
 * every outcome: those of its subjects with a sequence above the last one aggregated. Only then is
 * the topic consumed further, and the sequences recognise its duplicates.
 */
#include "aggregator/backfill.h"

#include "aggregator/batch.h"
#include "base/log.h"

#include <string.h>

enum { PARTITIONS_TIMEOUT_MS = 5000, STEP_MS = 200 };

/* Columns of backfill_sources.sql and backfill_outcomes.sql. */
enum { S_TOPIC, S_PARTITION, S_SOURCES, S_FROM, S_TO };
enum {
        L_SEQUENCE,
        L_OUTCOME,
        L_ATTEMPT,
        L_DRY_RUN,
        L_SUBJECT,
        L_ITEM,
        L_REASON,
        L_AT,
        L_TYPE,
        L_RUN_ID,
        L_PACK,
        L_JOB,
        L_TASK_ID,
        L_REPLACES
};

static void reset_backfill(struct backfill *b)
{
        db_result_free(b->sources);
        *b = (struct backfill){ 0 };
}

static int begin_backfill(struct aggregator *a, const struct partition *x, struct err *e)
{
        struct backfill *b = &a->backfill;
        reset_backfill(b);
        int found = kafka_topic_partitions(a->consumer, x->at.topic, PARTITIONS_TIMEOUT_MS, e),
            wanted = (int)a->service->kafka.partitions;
        if (found <= 0)
                return found < 0 ? -1
                                 : err_set(e, ERR_RETRY, "", "there is no topic %s", x->at.topic);
        if (store_backfill_sources(a->store, x, a->service->sources, a->service->n_sources,
                                   &b->sources, e) < 0)
                return -1;
        b->partitions = wanted < found ? wanted : found;
        b->source_no = x->at.source_no;
        b->epoch = x->at.epoch;
        b->after = db_rows(b->sources) ? db_int(b->sources, 0, S_FROM) : 0;
        return 0;
}

static struct outcome_event event_of(const struct backfill *b, const struct db_result *r, int row)
{
        struct outcome_event m = {
                .run_id = db_uuid(r, row, L_RUN_ID),
                .pack = db_span(r, row, L_PACK),
                .job = db_span(r, row, L_JOB),
                .type = db_span(r, row, L_TYPE),
                .subject = db_span(r, row, L_SUBJECT),
                .item = db_span(r, row, L_ITEM),
                .outcome = (enum outcome)db_int(r, row, L_OUTCOME),
                .reason = db_span(r, row, L_REASON),
                .at = db_instant(r, row, L_AT),
                .dry_run = db_bool(r, row, L_DRY_RUN),
                .attempt = (int)db_int(r, row, L_ATTEMPT),
                .source_topic = db_span(b->sources, b->row, S_TOPIC),
                .source_partition = (int32_t)db_int(b->sources, b->row, S_PARTITION),
                .sequence = db_int(r, row, L_SEQUENCE),
                .replaces = db_null(r, row, L_REPLACES) ? (struct span){ 0 }
                                                        : span_of(outcome_name((enum outcome)db_int(
                                                                  r, row, L_REPLACES))),
        };
        m.task_id = uuid_is_nil(m.run_id) ? db_uuid(r, row, L_TASK_ID)
                                          : task_id_of(m.run_id, m.type, m.subject, m.item);
        m.event_id = event_id_of(m.task_id, m.attempt, m.outcome);
        return m;
}

/* Adds an outcome to the batch if its subject is of this partition. Not negative: enum
 * batch_result. -1: fatal. */
static int add_outcome(struct aggregator *a, struct partition *x, const struct db_result *r,
                       int row, struct err *e)
{
        struct backfill *b = &a->backfill;
        struct outcome_event m = event_of(b, r, row);
        struct err why = ERR_INIT;
        if (kafka_partition_of(m.subject, b->partitions) != x->at.partition)
                return BATCH_STORED;
        enum fold_result added = fold_event(a->fold, x->at.source_no, &m, &why);
        if (added == FOLD_FULL) {
                if (a->batch.events == 0)
                        return err_oom(e);
                int rc = batch_store(a, e);
                return rc == BATCH_STORED ? add_outcome(a, x, r, row, e) : rc;
        }
        if (added == FOLD_REFUSED)
                log_warn("outcome of the ledger is not counted",
                         "topic=" LOG_Q " partition=%d sequence=%lld error=" LOG_Q,
                         db_str(b->sources, b->row, S_TOPIC), (int)m.source_partition,
                         (long long)m.sequence, why.text);
        x->touched = true;
        a->batch.events++;
        b->counted += added == FOLD_COUNTED;
        return BATCH_STORED;
}

/* Not negative: enum batch_result. -1: error. */
static int add_outcomes(struct aggregator *a, struct partition *x, struct err *e)
{
        struct backfill *b = &a->backfill;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int64_t to = db_int(b->sources, b->row, S_TO);
        if (store_backfill_outcomes(a->store, db_str(b->sources, b->row, S_SOURCES), b->after, to,
                                    &r, e) < 0)
                return -1;
        int n = db_rows(r), rc = BATCH_STORED;
        for (int row = 0; row < n && rc == BATCH_STORED; row++)
                rc = add_outcome(a, x, r, row, e);
        if (rc == BATCH_STORED)
                rc = batch_store(a, e);
        if (rc != BATCH_STORED)
                return rc;
        if (n > 0)
                b->after = db_int(r, n - 1, L_SEQUENCE);
        else if (++b->row < db_rows(b->sources))
                b->after = db_int(b->sources, b->row, S_FROM);
        return BATCH_STORED;
}

static struct partition *next_partition(struct aggregator *a)
{
        for (size_t i = 0; i < a->n_partitions; i++)
                if (a->partitions[i].state == PARTITION_BACKFILL)
                        return &a->partitions[i];
        return NULL;
}

/* The partition's next outcomes, or the end of its backfill. Not negative: enum batch_result. -1:
 * error. */
static int backfill_partition(struct aggregator *a, struct partition *x, struct err *e)
{
        struct backfill *b = &a->backfill;
        if ((b->source_no != x->at.source_no || b->epoch != x->at.epoch) &&
            begin_backfill(a, x, e) < 0)
                return -1;
        if (b->row < db_rows(b->sources))
                return add_outcomes(a, x, e);
        if (store_backfill_done(a->store, x, e) < 0)
                return -1;
        log_info("backfilled totals from the ledger", "topic=%s partition=%d counted=%lld",
                 x->at.topic, (int)x->at.partition, (long long)b->counted);
        reset_backfill(b);
        /* claimed again: the consumer must be moved to its position */
        x->state = PARTITION_UNCLAIMED;
        return BATCH_STORED;
}

int backfill_step(struct aggregator *a, struct err *e)
{
        struct partition *x = next_partition(a);
        int rc = x ? batch_store(a, e) : BATCH_STORED;
        int64_t until = monotonic_ms() + STEP_MS;
        while (rc == BATCH_STORED && (x = next_partition(a)) && monotonic_ms() < until)
                rc = backfill_partition(a, x, e);
        if (rc < 0)
                return -1;
        return next_partition(a) ? BACKFILL_MORE : BACKFILL_DONE;
}
