#include "aggregator/aggregator.h"

#include "base/failpoint.h"
#include "base/log.h"

#include <string.h>

enum { COMPARE_MS = 2000 };

static struct share *share_of(struct aggregator *a, const struct kafka_message *m)
{
        for (size_t i = 0; i < a->n_shares; i++) {
                size_t k = (a->latest + i) % a->n_shares;
                struct share *x = &a->shares[k];
                if (x->partition == m->partition &&
                    (x->topic == m->topic || strcmp(x->topic, m->topic) == 0)) {
                        a->latest = k;
                        return x;
                }
        }
        return NULL;
}

static void try_again(struct aggregator *a, const struct err *why);

/* Can the ledger have made the event? What it has numbered is asked once for the messages of a
 * poll: they were written before. 0; 1: it cannot; -1: not known. */
static int check_numbered(struct aggregator *a, const struct outcome_event *m, bool *asked,
                          struct err *e)
{
        for (;;) {
                instant now = a->numbers.now + (monotonic_ms() - a->numbers_ms) * INSTANT_MS;
                if (numbered_check(&a->numbers, m, now, e) == 0)
                        return 0;
                if (*asked)
                        return 1;
                if (!store_db(a->store))
                        return err_set(e, ERR_RETRY, "", "no connection");
                a->numbers_ms = monotonic_ms();
                if (store_numbers(a->store, a->service->topic_results, &a->numbers, e) < 0)
                        return -1;
                *asked = true;
        }
}

/* The batch is dropped, and the positions are read anew. -1: fatal. */
static int give_up(struct aggregator *a, const struct err *why, struct err *e)
{
        batch_drop(a);
        if (why->class != ERR_RETRY) {
                *e = *why;
                return -1;
        }
        try_again(a, why);
        a->claim_at_ms = 0;
        return 2;
}

/* One message. 0: taken; 1: the batch is full; 2: the batch was dropped; -1: fatal. */
static int take(struct aggregator *a, struct share *x, const struct kafka_message *m, bool *asked,
                struct err *e)
{
        struct outcome_event event;
        struct err why = ERR_INIT;
        enum folded folded = FOLD_REFUSED;
        int beyond = 0;
        arena_reset(a->decoded);
        if (m->unreadable)
                err_set(&why, ERR_INPUT, "", "%s", m->unreadable);
        else if (!m->value.ptr)
                err_set(&why, ERR_INPUT, "", "the message has no value");
        else if (outcome_decode(a->codec, m->value, a->decoded, &event, &why) == 0) {
                beyond = check_numbered(a, &event, asked, &why);
                if (beyond < 0)
                        return give_up(a, &why, e);
                if (!beyond)
                        folded = fold_event(a->fold, x->source_no, &event, &why);
        } else if (why.class == ERR_FATAL) {
                *e = why;
                return -1;
        }
        if (folded == FOLD_FULL || (folded == FOLD_REFUSED && !letter_add(a, x, m, why.text)))
                return 1;
        a->forged += beyond;
        x->next = m->offset + 1;
        x->last = m;
        x->seen_ms = a->since_ms;
        a->taken++;
        return 0;
}

static void make_marks(struct aggregator *a)
{
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                if (x->last)
                        x->taken_mark = kafka_message_mark(x->last);
                x->last = NULL;
        }
}

/* The first message after a claim may be one that was taken before: another one in its place is
 * another log's. */
static int compare(struct aggregator *a, struct share *x, const struct kafka_message *m,
                   struct err *e)
{
        bool same = m->offset != x->check || kafka_message_mark(m) == x->mark;
        x->check = -1;
        return share_compared(a, x, same, e);
}

int intake(struct aggregator *a, const struct kafka_message *list, size_t n, struct err *e)
{
        int64_t now = monotonic_ms();
        bool asked = false;
        for (size_t i = 0; i < n; i++) {
                struct share *x = share_of(a, &list[i]);
                if (x && x->state == SHARE_READY && x->check >= 0 && compare(a, x, &list[i], e) < 0)
                        return -1;
                if (!x || x->state != SHARE_READY || list[i].offset < x->next)
                        /* of a partition whose position is read anew: it comes again from there */
                        continue;
                if (a->taken == 0)
                        a->since_ms = now;
                int rc = take(a, x, &list[i], &asked, e);
                if (rc < 0)
                        return -1;
                if (rc == 1 && a->taken == 0)
                        return err_oom(e);
                if (rc == 1 || a->taken >= (size_t)a->service->aggregator.batch_max) {
                        make_marks(a);
                        if (batch_store(a, e) < 0)
                                return -1;
                        i -= rc == 1; /* the one that had no room */
                        now = monotonic_ms();
                }
        }
        make_marks(a);
        return 0;
}

/* ---- the batch's end ---- */

static void begin_batch(struct aggregator *a)
{
        a->taken = 0;
        a->letters = NULL;
        a->letters_end = &a->letters;
        arena_reset(a->letter_memory);
}

void batch_drop(struct aggregator *a)
{
        fold_drop(a->fold);
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                x->next = x->stored;
                x->taken_mark = x->mark;
                x->last = NULL;
                x->touched = false;
                x->letters = x->letters_stored;
                x->state = SHARE_UNCLAIMED;
        }
        begin_batch(a);
}

static void stored(struct aggregator *a)
{
        struct kafka_partition moved[64];
        struct fold_changes c;
        size_t n = 0;
        fold_changes(a->fold, &c);
        a->counted += c.counted;
        a->repeated += c.repeated;
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                x->touched = false;
                if (x->next == x->stored)
                        continue;
                x->mark = x->taken_mark;
                a->undecodable += x->letters - x->letters_stored;
                x->stored = x->next;
                x->letters_stored = x->letters;
                moved[n++] = (struct kafka_partition){ x->topic, x->partition, x->next };
                if (n == ARRAY_LEN(moved)) {
                        kafka_commit_async(a->consumer, moved, n);
                        n = 0;
                }
        }
        kafka_commit_async(a->consumer, moved, n);
        fold_commit(a->fold);
        begin_batch(a);
}

/* The connection broke, or the server asks to try again. Whether the batch was stored, the table
 * tells when it is read anew. */
static void try_again(struct aggregator *a, const struct err *why)
{
        bool alive = store_db(a->store) && db_alive(store_db(a->store));
        if (alive) {
                log_warn("batch to be stored again", "code=%s error=" LOG_Q, why->code, why->text);
                return;
        }
        store_detach(a->store);
        if (!a->database_away)
                log_warn("database away: waiting", "code=%s error=" LOG_Q, why->code, why->text);
        a->database_away = true;
}

/* Numbers are folded upwards: once one of a new log is, what the old one lost below it is lost. So
 * each batch is of the logs that were claimed. 0, 1, -1. */
static int store(struct aggregator *a, struct err *e)
{
        if (!store_db(a->store))
                return err_set(e, ERR_RETRY, "", "no connection");
        if (need_publisher(a, e) < 0)
                return -1;
        int others = kafka_compare_logs(a->consumer, publisher_client(a->publisher), COMPARE_MS,
                                        NULL, 0, e);
        if (others < 0)
                return -1;
        if (others > 0)
                return err_set(e, ERR_RETRY, "",
                               "%d partitions of %s were made anew while they were read", others,
                               a->service->topic_results);
        return store_batch(a->store, a->shares, a->n_shares, a->fold, a->letters, e);
}

int batch_store(struct aggregator *a, struct err *e)
{
        if (a->taken == 0)
                return 0;
        struct err why = ERR_INIT;
        int rc = store(a, &why);
        if (rc == 0) {
                FAILPOINT("totals.committed");
                stored(a);
                return 0;
        }
        batch_drop(a);
        if (rc < 0 && why.class != ERR_RETRY) {
                *e = why;
                return err_prefix(e, "storing a batch");
        }
        if (rc < 0)
                try_again(a, &why);
        else
                log_warn("batch not stored: another aggregator took a partition over", "owner=%s",
                         a->owner);
        /* time for the group to say whose it is */
        a->claim_at_ms = rc < 0 ? 0 : monotonic_ms() + 1000;
        return 1;
}
