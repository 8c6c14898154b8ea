/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes audit events, checks them, and adds them to the batch. */
#include "aggregator/consume.h"

#include "aggregator/batch.h"
#include "aggregator/dead_letters.h"

/* Not negative: what became of a message. */
enum consumed {
        CONSUMED,          /* it is in the batch */
        CONSUME_FULL,      /* the batch has no room for it: store the batch, then retry */
        CONSUME_DISCARDED, /* the batch was discarded */
};

enum issuing { ISSUED, NOT_ISSUED };

/* Can the ledger have issued the event? The database is queried at most once for the messages of a
 * poll (`queried`): they were written before. Not negative: enum issuing. -1: not known. */
static int check_issued(struct aggregator *a, const struct outcome_event *m, bool *queried,
                        struct err *e)
{
        for (;;) {
                instant now = a->issued.now + (monotonic_ms() - a->issued_ms) * INSTANT_MS;
                if (issued_check(&a->issued, m, now, e) == 0)
                        return ISSUED;
                if (*queried)
                        return NOT_ISSUED;
                if (!store_db(a->store))
                        return err_set(e, ERR_RETRY, "", "no connection");
                a->issued_ms = monotonic_ms();
                if (store_issued(a->store, a->service->topic_results, &a->issued, e) < 0)
                        return -1;
                *queried = true;
        }
}

/* Not negative: enum consumed. -1: fatal. */
static int consume_message(struct aggregator *a, struct partition *x, const struct kafka_message *m,
                           bool *queried, struct err *e)
{
        struct outcome_event event;
        struct err why = ERR_INIT;
        enum fold_result added = FOLD_REFUSED;
        int issued = ISSUED;
        arena_reset(a->decoded);
        if (m->unreadable)
                err_set(&why, ERR_INPUT, "", "%s", m->unreadable);
        else if (!m->value.ptr)
                err_set(&why, ERR_INPUT, "", "the message has no value");
        else if (outcome_decode(a->codec, m->value, a->decoded, &event, &why) == 0) {
                issued = check_issued(a, &event, queried, &why);
                if (issued < 0)
                        return batch_fail(a, &why, e) < 0 ? -1 : CONSUME_DISCARDED;
                if (issued == ISSUED)
                        added = fold_event(a->fold, x->at.source_no, &event, &why);
        } else if (why.class == ERR_FATAL) {
                *e = why;
                return -1;
        }
        if (added == FOLD_FULL || (added == FOLD_REFUSED && !dead_letters_add(a, x, m, why.text)))
                return CONSUME_FULL;
        a->forged += issued == NOT_ISSUED;
        x->next = m->offset + 1;
        x->last = m;
        x->seen_ms = a->batch.since_ms;
        a->batch.events++;
        return CONSUMED;
}

static void make_digests(struct aggregator *a)
{
        for (size_t i = 0; i < a->n_partitions; i++) {
                struct partition *x = &a->partitions[i];
                if (x->last)
                        x->next_digest = kafka_message_digest(x->last);
                x->last = NULL;
        }
}

/* The partition that the message is to be consumed from; NULL: it is skipped, and if its position
 * is read again, it comes again from there. -1: fatal. */
static int partition_of(struct aggregator *a, const struct kafka_message *m, struct partition **ret,
                        struct err *e)
{
        struct partition *x = partitions_find(a->partitions, a->n_partitions, m, &a->latest);
        *ret = NULL;
        if (x && partition_is_unverified(x)) {
                const struct partition_context c = aggregator_partition_context(a);
                struct err why = ERR_INIT;
                if (partition_verify(&c, x, m, &why) < 0)
                        return batch_fail(a, &why, e);
        }
        if (x && x->state == PARTITION_READY && m->offset >= x->next)
                *ret = x;
        return 0;
}

int consume(struct aggregator *a, const struct kafka_message *list, size_t n, struct err *e)
{
        int64_t now = monotonic_ms();
        bool queried = false;
        for (size_t i = 0; i < n; i++) {
                struct partition *x = NULL;
                if (partition_of(a, &list[i], &x, e) < 0)
                        return -1;
                if (!x)
                        continue;
                if (a->batch.events == 0)
                        a->batch.since_ms = now;
                int rc = consume_message(a, x, &list[i], &queried, e);
                if (rc < 0)
                        return -1;
                if (rc == CONSUME_FULL && a->batch.events == 0)
                        return err_oom(e);
                if (rc == CONSUME_FULL ||
                    a->batch.events >= (size_t)a->service->aggregator.batch_max) {
                        make_digests(a);
                        if (batch_store(a, e) < 0)
                                return -1;
                        i -= rc == CONSUME_FULL; /* the one that had no room */
                        now = monotonic_ms();
                }
        }
        make_digests(a);
        return 0;
}
