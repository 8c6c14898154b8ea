/*
 * What a results partition lost before it was folded is folded from the ledger, which has every
 * outcome: those of its subjects that are numbered above what has been folded. The log is read on
 * only after that, when `folded` tells its repetitions.
 */
#include "aggregator/aggregator.h"

#include "base/log.h"

#include <string.h>

enum { PARTITIONS_TIMEOUT_MS = 5000, TURN_MS = 200 };
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

void arrears_reset(struct arrears *c)
{
        db_result_free(c->sources);
        *c = (struct arrears){ 0 };
}

static int begin(struct aggregator *a, const struct share *x, struct err *e)
{
        struct arrears *c = &a->arrears;
        arrears_reset(c);
        int found = kafka_topic_partitions(a->consumer, x->topic, PARTITIONS_TIMEOUT_MS, e),
            wanted = (int)a->service->kafka.partitions;
        if (found <= 0)
                return found < 0 ? -1 : err_set(e, ERR_RETRY, "", "there is no topic %s", x->topic);
        if (store_behind(a->store, x, a->service->sources, a->service->n_sources, &c->sources, e) <
            0)
                return -1;
        c->partitions = wanted < found ? wanted : found;
        c->source_no = x->source_no;
        c->epoch = x->epoch;
        c->after = db_rows(c->sources) ? db_int(c->sources, 0, S_FROM) : 0;
        return 0;
}

static struct outcome_event event_of(const struct arrears *c, const struct db_result *r, int row)
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
                .source_topic = db_span(c->sources, c->at, S_TOPIC),
                .source_partition = (int32_t)db_int(c->sources, c->at, S_PARTITION),
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

/* 0: folded, or not of this partition; 1: the batch could not be stored; -1. */
static int take_row(struct aggregator *a, struct share *x, const struct db_result *r, int row,
                    struct err *e)
{
        struct arrears *c = &a->arrears;
        struct outcome_event m = event_of(c, r, row);
        struct err why = ERR_INIT;
        if (kafka_partition_of(m.subject, c->partitions) != x->partition)
                return 0;
        enum folded folded = fold_event(a->fold, x->source_no, &m, &why);
        if (folded == FOLD_FULL) {
                if (a->taken == 0)
                        return err_oom(e);
                int rc = batch_store(a, e);
                return rc ? rc : take_row(a, x, r, row, e);
        }
        if (folded == FOLD_REFUSED)
                log_warn("an outcome of the ledger is not counted",
                         "topic=" LOG_Q " partition=%d sequence=%lld error=" LOG_Q,
                         db_str(c->sources, c->at, S_TOPIC), (int)m.source_partition,
                         (long long)m.sequence, why.text);
        x->touched = true;
        a->taken++;
        c->counted += folded == FOLD_COUNTED;
        return 0;
}

static int take_rows(struct aggregator *a, struct share *x, struct err *e)
{
        struct arrears *c = &a->arrears;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int64_t to = db_int(c->sources, c->at, S_TO);
        if (store_ledger(a->store, db_str(c->sources, c->at, S_SOURCES), c->after, to, &r, e) < 0)
                return -1;
        int n = db_rows(r), rc = 0;
        for (int row = 0; row < n && rc == 0; row++)
                rc = take_row(a, x, r, row, e);
        if (rc == 0)
                rc = batch_store(a, e);
        if (rc != 0)
                return rc;
        if (n > 0)
                c->after = db_int(r, n - 1, L_SEQUENCE);
        else if (++c->at < db_rows(c->sources))
                c->after = db_int(c->sources, c->at, S_FROM);
        return 0;
}

static struct share *share_behind(struct aggregator *a)
{
        for (size_t i = 0; i < a->n_shares; i++)
                if (a->shares[i].state == SHARE_BEHIND)
                        return &a->shares[i];
        return NULL;
}

/* The share's next rows, or its end. 0; 1: a batch could not be stored, all shares are claimed
 * again; -1. */
static int step(struct aggregator *a, struct share *x, struct err *e)
{
        struct arrears *c = &a->arrears;
        if ((c->source_no != x->source_no || c->epoch != x->epoch) && begin(a, x, e) < 0)
                return -1;
        if (c->at < db_rows(c->sources))
                return take_rows(a, x, e);
        if (store_caught_up(a->store, x, e) < 0)
                return -1;
        log_info("folded from the ledger what the topic had lost",
                 "topic=%s partition=%d counted=%lld", x->topic, (int)x->partition,
                 (long long)c->counted);
        arrears_reset(c);
        x->state = SHARE_UNCLAIMED; /* claimed again, and the consumer moved to its position */
        return 0;
}

int arrears_fold(struct aggregator *a, struct err *e)
{
        struct share *x = share_behind(a);
        int rc = x ? batch_store(a, e) : 0;
        int64_t until = monotonic_ms() + TURN_MS;
        while (rc == 0 && (x = share_behind(a)) && monotonic_ms() < until)
                rc = step(a, x, e);
        return rc < 0 ? -1 : share_behind(a) != NULL;
}
