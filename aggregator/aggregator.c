#include "aggregator/aggregator.h"

#include "alert/watch.h"
#include "base/log.h"
#include "ledger/ledger.h"
#include "ledger/log_gap.h"
#include "ledger/presence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        PREFETCH_BYTES = 8 * 1024 * 1024,
        FOLD_BYTES = 8 * 1024 * 1024,
        PARAMS_BYTES = 32 * 1024 * 1024,
        DECODED_BYTES = 2 * 1024 * 1024,
        LETTER_BYTES = 4 * 1024 * 1024,
        REASONS_MAX = 100,
        SOURCES_MAX = 100000,
        LINGER_MS = 50, /* a batch waits so long for more: a trickle makes few transactions */
        IDLE_MS = 500,
        CHECK_MS = 10000, /* a quiet partition is compared with the broker */
        WATERMARK_MS = 2000,
        CONNECT_MS = 5000,
        AGAIN_MS = 1000,
        PROPERTIES_MAX = 64,
};

/* ---- what is said, once per change ---- */

static void broker_says(struct aggregator *a, const struct err *why)
{
        if (why && !a->broker_away)
                log_warn("broker away: waiting", "code=%s error=" LOG_Q, why->code, why->text);
        else if (!why && a->broker_away)
                log_info("broker back", "cluster=%s", a->cluster);
        a->broker_away = why != NULL;
}

static void database_says(struct aggregator *a, const struct err *why)
{
        if (why && !a->database_away)
                log_warn("database away: waiting", "code=%s error=" LOG_Q, why->code, why->text);
        else if (!why && a->database_away)
                log_info("database back", "owner=%s", a->owner);
        a->database_away = why != NULL;
}

/* ---- the database ---- */

static int connect_database(struct aggregator *a, struct err *e)
{
        char *conninfo CLEANUP(cleanup_free) = NULL;
        struct db *d CLEANUP(db_cleanup) = NULL;
        int64_t timeout = a->service->database.connect_timeout_ms;
        if (service_conninfo(a->service, &conninfo, e) < 0)
                return -1;
        if (db_open(conninfo, "rollcall-aggregator",
                    (int)(timeout < CONNECT_MS ? timeout : CONNECT_MS), &d, e) < 0 ||
            ledger_check(d, a->service->kafka.prefix, e) < 0)
                return -1;
        return store_attach(a->store, TAKE(d), e);
}

/* 0: there; 1: away, said; -1: fatal. */
static int need_database(struct aggregator *a, struct err *e)
{
        if (store_db(a->store) && db_alive(store_db(a->store)))
                return 0;
        if (monotonic_ms() < a->connect_at_ms)
                return 1;
        batch_drop(a);
        struct err why = ERR_INIT;
        if (connect_database(a, &why) == 0) {
                database_says(a, NULL);
                return 0;
        }
        store_detach(a->store);
        if (why.class != ERR_RETRY) {
                *e = why;
                return -1;
        }
        a->connect_at_ms = monotonic_ms() + AGAIN_MS;
        database_says(a, &why);
        return 1;
}

/* ---- shares ---- */

static void say_fits(struct share *x)
{
        if (x->said_stopped)
                log_info("results partition goes on", "topic=%s partition=%d position=%lld",
                         x->topic, (int)x->partition, (long long)x->next);
        x->said_stopped = false;
}

/* The share stops, or its position is put right and it is to be claimed again. -1: error. */
static int misfit(struct aggregator *a, struct share *x, enum log_fit fit, int64_t low,
                  int64_t high, struct err *e)
{
        const struct log_gap g = { fit,      x->topic, x->partition, x->source_no,
                                   x->epoch, x->next,  low,          high };
        char what[512];
        log_gap_text(&g, what, sizeof what);
        x->state = SHARE_STOPPED;
        x->start = high;
        if (strcmp(a->service->kafka.lost_log, "repair") == 0) {
                int rc = log_gap_repair(store_db(a->store), &g, a->owner, e);
                if (rc < 0)
                        return -1;
                x->state = SHARE_UNCLAIMED;
                if (rc == 0)
                        log_error(
                                "results log does not fit: what was lost is folded from the ledger",
                                "error=" LOG_Q, what);
                return 0;
        }
        if (!x->said_stopped)
                log_error("results partition not taken up",
                          "source_no=%d error=\"%s; to go on: rollcall topics repair\"",
                          (int)x->source_no, what);
        x->said_stopped = true;
        return 0;
}

static int look_at_log(struct aggregator *a, struct share *x, int64_t *low, int64_t *high,
                       struct err *e)
{
        if (kafka_watermarks(a->consumer, x->topic, x->partition, low, high, WATERMARK_MS, e) < 0)
                return -1;
        broker_says(a, NULL);
        x->seen_ms = monotonic_ms();
        return 0;
}

/* Compares a claimed position with what the broker has. 0: it is ready, behind, stopped, or
 * unclaimed again since it was put right; -1: error. */
static int check_share(struct aggregator *a, struct share *x, struct err *e)
{
        int64_t low = 0, high = 0;
        if (look_at_log(a, x, &low, &high, e) < 0)
                return -1;
        enum log_fit fit = log_compare(x->next, low, high);
        if (fit != LOG_FITS)
                return misfit(a, x, fit, low, high, e);
        x->check = x->mark && x->next > low ? x->next - 1 : -1;
        x->start = x->check < 0 ? x->next : x->check;
        if (x->check < 0)
                say_fits(x);
        x->state = x->behind ? SHARE_BEHIND : SHARE_READY;
        return 0;
}

int share_compared(struct aggregator *a, struct share *x, bool same, struct err *e)
{
        int64_t low = 0, high = 0;
        if (same) {
                say_fits(x);
                return 0;
        }
        if (look_at_log(a, x, &low, &high, e) < 0) {
                x->state = SHARE_UNCLAIMED; /* compared again after the next claim */
                return 0;
        }
        return misfit(a, x, LOG_OTHER, low, high, e);
}

static int need_cluster(struct aggregator *a, struct err *e)
{
        if (*a->cluster)
                return 0;
        const char *id = kafka_consumer_cluster(a->consumer, WATERMARK_MS);
        if (!id)
                return err_set(e, ERR_RETRY, "", "no broker told the cluster's id");
        snprintf(a->cluster, sizeof a->cluster, "%s", id);
        return 0;
}

/* Claims what is unclaimed, again where the position had to be put right. */
static int claim(struct aggregator *a, struct share *list, size_t n, struct err *e)
{
        for (bool again = true; again;) {
                if (store_claim(a->store, a->cluster, a->owner, list, n, a->fold, e) < 0)
                        return -1;
                again = false;
                for (size_t i = 0; i < n; i++) {
                        if (list[i].state == SHARE_UNCLAIMED && check_share(a, &list[i], e) < 0)
                                return -1;
                        again |= list[i].state == SHARE_UNCLAIMED;
                }
        }
        return 0;
}

static int assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e)
{
        struct aggregator *a = ctx;
        int rc = need_database(a, e);
        if (rc)
                return rc < 0 ? -1 : err_set(e, ERR_RETRY, "", "the database is away");
        struct share *shares CLEANUP(cleanup_free) = calloc(n + 1, sizeof *shares);
        if (!shares)
                return err_oom(e);
        for (size_t i = 0; i < n; i++)
                shares[i] = (struct share){ .topic = list[i].topic,
                                            .partition = list[i].partition };
        if (need_cluster(a, e) < 0 || claim(a, shares, n, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                list[i].offset = shares[i].start;
        free(a->shares);
        a->shares = TAKE(shares);
        a->n_shares = n;
        log_info("partitions taken up", "topic=%s partitions=%zu cluster=%s",
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
        batch_drop(a);
        for (size_t i = 0; i < a->n_shares; i++)
                fold_forget(a->fold, a->shares[i].source_no);
        free(TAKE(a->shares));
        a->n_shares = 0;
        log_info("partitions given up", "partitions=%zu lost=%s", n, lost ? "yes" : "no");
}

static size_t count_state(const struct aggregator *a, enum share_state state)
{
        size_t n = 0;
        for (size_t i = 0; i < a->n_shares; i++)
                n += a->shares[i].state == state;
        return n;
}

/* Leaves the group; the next turn joins it again. librdkafka cannot seek a partition whose position
 * was not on the broker. */
static void leave(struct aggregator *a)
{
        kafka_consumer_free(a->consumer); /* calls `revoked`, which stores the batch */
        a->consumer = NULL;
}

/* After a batch that was not stored: reads the positions again, and goes there. */
static int claim_again(struct aggregator *a, struct err *e)
{
        if (!count_state(a, SHARE_UNCLAIMED) || monotonic_ms() < a->claim_at_ms)
                return 0;
        a->claim_at_ms = monotonic_ms() + AGAIN_MS;
        bool *fresh CLEANUP(cleanup_free) = calloc(a->n_shares + 1, sizeof *fresh);
        if (!fresh)
                return err_oom(e);
        for (size_t i = 0; i < a->n_shares; i++)
                fresh[i] = a->shares[i].state == SHARE_UNCLAIMED;
        int rc = claim(a, a->shares, a->n_shares, e);
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                if (rc < 0 && fresh[i])
                        x->state = SHARE_UNCLAIMED;
                if (rc == 0 && fresh[i] && x->state == SHARE_READY &&
                    kafka_seek(a->consumer, x->topic, x->partition, x->start, e) < 0) {
                        leave(a);
                        return -1;
                }
        }
        return rc;
}

/* A group that was balanced while the topic was not there has no partitions, and librdkafka does
 * not look again when it comes back as it was. */
static int check_left_over(struct aggregator *a, struct err *e)
{
        bool ours = false;
        if (a->n_shares || !a->consumer) {
                a->without_ms = monotonic_ms();
                return 0;
        }
        if (monotonic_ms() - a->without_ms < CHECK_MS)
                return 0;
        a->without_ms = monotonic_ms();
        if (store_owns(a->store, a->cluster, a->service->topic_results, a->owner, &ours, e) < 0)
                return -1;
        if (ours &&
            kafka_topic_partitions(a->consumer, a->service->topic_results, WATERMARK_MS, NULL) > 0)
                leave(a);
        return 0;
}

static int check_quiet_share(struct aggregator *a, struct share *x, struct err *e)
{
        int64_t low = 0, high = 0;
        if (look_at_log(a, x, &low, &high, e) < 0)
                return -1;
        if (log_compare(x->next, low, high) != LOG_FITS)
                x->state = SHARE_UNCLAIMED; /* the claim says what is wrong */
        return 0;
}

/* A partition that brings nothing may have ended below its position; one that was stopped may have
 * been put right. */
static int check_quiet(struct aggregator *a, struct err *e)
{
        int64_t now = monotonic_ms();
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                if (x->next != x->stored || now - x->seen_ms < CHECK_MS)
                        continue;
                x->seen_ms = now;
                if (x->state == SHARE_STOPPED)
                        x->state = SHARE_UNCLAIMED;
                else if (x->state == SHARE_READY && check_quiet_share(a, x, e) < 0)
                        return -1;
        }
        return 0;
}

/* ---- a turn ---- */

/* What passes is said and waited for; anything else ends the process. */
static int tolerate(struct aggregator *a, const struct err *why, struct err *e)
{
        if (why->class != ERR_RETRY) {
                *e = *why;
                return -1;
        }
        if (store_db(a->store) && db_alive(store_db(a->store))) {
                broker_says(a, why);
                return 0;
        }
        store_detach(a->store);
        database_says(a, why);
        return 0;
}

static int need_consumer(struct aggregator *a, struct err *e)
{
        if (a->consumer)
                return 0;
        if (monotonic_ms() < a->broker_at_ms)
                return 1;
        const char *topics[] = { a->service->topic_results };
        char group[KAFKA_TOPIC_MAX + 16];
        snprintf(group, sizeof group, "%s.aggregator", a->service->kafka.prefix);
        struct kafka_options options;
        if (kafka_options_of(a->service, "rollcall-aggregator", a->properties, PROPERTIES_MAX,
                             &options, e) < 0)
                return -1;
        struct kafka_consumer_options c = {
                .group = group,
                .topics = topics,
                .n_topics = 1,
                .session_timeout_ms = (int)a->service->kafka.session_timeout_ms,
                .prefetch_max_bytes = PREFETCH_BYTES,
                .events = { .ctx = a, .assigned = assigned, .revoked = revoked }
        };
        struct err why = ERR_INIT;
        if (kafka_consumer_new(&options, &c, &a->consumer, &why) == 0)
                return 0;
        a->broker_at_ms = monotonic_ms() + AGAIN_MS;
        if (why.class == ERR_RETRY) {
                broker_says(a, &why);
                return 1;
        }
        *e = why;
        return -1;
}

/* Takes what there is, for as long as the batch may wait. */
static int take(struct aggregator *a, bool database, struct err *e)
{
        struct err why = ERR_INIT;
        int64_t age = monotonic_ms() - a->since_ms;
        int wait = a->behind         ? 0
                   : !a->taken       ? IDLE_MS
                   : age < LINGER_MS ? (int)(LINGER_MS - age)
                                     : 0;
        int n = kafka_poll(a->consumer, wait, a->messages, database ? TAKE_MAX : 0, &why);
        /* the claim that follows compares, and says what is wrong */
        if (n < 0 && strcmp(why.code, "OFFSET_OUT_OF_RANGE") == 0) {
                leave(a);
                return 0;
        }
        if (n < 0)
                return tolerate(a, &why, e);
        if (n > 0)
                broker_says(a, NULL);
        int rc = intake(a, a->messages, (size_t)n, e);
        kafka_release(a->messages, (size_t)n);
        if (rc == 0 && a->taken && monotonic_ms() - a->since_ms >= LINGER_MS)
                rc = batch_store(a, e);
        return rc < 0 ? -1 : 0;
}

static int tend(struct aggregator *a, struct err *e)
{
        struct err why = ERR_INIT;
        const struct presence me = { .name = a->owner, .program = "rollcall-aggregator" };
        if (store_db(a->store) && presence_note(store_db(a->store), &me, &a->present_ms, &why) < 0)
                return tolerate(a, &why, e);
        if (store_db(a->store) && watch_look(a->watch, store_db(a->store), NULL, NULL, &why) < 0)
                return tolerate(a, &why, e);
        if (claim_again(a, &why) < 0 || check_quiet(a, &why) < 0 || check_left_over(a, &why) < 0)
                return tolerate(a, &why, e);
        int more = a->consumer ? arrears_fold(a, &why) : 0;
        if (more < 0)
                return tolerate(a, &why, e);
        a->behind = more == 1;
        if (letters_publish(a, &why) == 0) {
                a->letters_wait = false;
                return 0;
        }
        if (store_db(a->store) && !db_alive(store_db(a->store)))
                return tolerate(a, &why, e);
        if (!a->letters_wait)
                log_warn("dead letters wait to be published", "code=%s error=" LOG_Q, why.code,
                         why.text);
        a->letters_wait = true;
        return 0;
}

int aggregator_step(struct aggregator *a, struct err *e)
{
        int database = need_database(a, e);
        int consumer = database < 0 ? -1 : need_consumer(a, e);
        if (database < 0 || consumer < 0)
                return -1;
        if (consumer)
                return 1;
        if (database == 0 && tend(a, e) < 0)
                return -1;
        return a->consumer ? take(a, database == 0, e) : 0;
}

int aggregator_drain(struct aggregator *a, struct err *e)
{
        if (batch_store(a, e) < 0)
                return -1;
        a->publish_at_ms = 0;
        return store_db(a->store) ? tend(a, e) : 0;
}

/* ---- life ---- */

static int make_parts(struct aggregator *a, struct err *e)
{
        const struct fold_limits limits = { .memory_max = FOLD_BYTES,
                                            .reasons_max = REASONS_MAX,
                                            .errors_max =
                                                    (size_t)a->service->aggregator.errors_kept,
                                            .sources_max = SOURCES_MAX,
                                            .seed = (uint64_t)instant_now() };
        const struct store_limits store = { .params_max = PARAMS_BYTES,
                                            .reasons_max = REASONS_MAX,
                                            .errors_kept = a->service->aggregator.errors_kept };
        a->decoded = arena_new(DECODED_BYTES);
        a->letter_memory = arena_new(LETTER_BYTES);
        a->outgoing = arena_new(2 * LETTER_BYTES);
        a->messages = calloc(TAKE_MAX, sizeof *a->messages);
        a->properties = calloc(PROPERTIES_MAX, sizeof *a->properties);
        if (!a->decoded || !a->letter_memory || !a->outgoing || !a->messages || !a->properties)
                return err_oom(e);
        if (watch_new(a->service, NULL, &a->watch, e) < 0)
                return -1;
        if (codec_new(a->service->schemas.folder, &a->codec, e) < 0 ||
            fold_new(&limits, &a->fold, e) < 0)
                return -1;
        return store_new(&store, &a->store, e);
}

int aggregator_new(const struct service *s, struct aggregator **ret, struct err *e)
{
        struct aggregator *a = calloc(1, sizeof *a);
        if (!a)
                return err_oom(e);
        a->service = s;
        a->letters_end = &a->letters;
        char host[64] = "?";
        gethostname(host, sizeof host - 1);
        snprintf(a->owner, sizeof a->owner, "aggregator@%s:%ld", host, (long)getpid());
        if (make_parts(a, e) < 0) {
                aggregator_free(a);
                return -1;
        }
        *ret = a;
        return 0;
}

void aggregator_free(struct aggregator *a)
{
        if (!a)
                return;
        kafka_consumer_free(a->consumer);
        publisher_free(a->publisher);
        if (a->store && store_db(a->store) && db_alive(store_db(a->store)))
                presence_leave(store_db(a->store), a->owner);
        store_free(a->store);
        watch_free(a->watch);
        numbered_deinit(&a->numbers);
        fold_free(a->fold);
        codec_free(a->codec);
        arena_free(a->decoded);
        arena_free(a->letter_memory);
        arena_free(a->outgoing);
        free(a->messages);
        free(a->properties);
        free(a->shares);
        arrears_reset(&a->arrears);
        free(a);
}
