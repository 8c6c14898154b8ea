#include "aggregator/aggregator.h"

#include "base/log.h"
#include "ledger/ledger.h"

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
        SOURCES_MAX = 20000,
        LINGER_MS = 50, /* a batch waits so long for more: a trickle makes few transactions */
        IDLE_MS = 500,
        CHECK_MS = 10000, /* a quiet partition is compared with the broker */
        WATERMARK_MS = 2000,
        CONNECT_MS = 5000,
        AGAIN_MS = 1000,
        PROPERTIES_EXTRA = 32,
};

/* ---- what is said, once per change ----------------------------------------------------------------------------------------------------- */

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

/* ---- the database ---------------------------------------------------------------------------------------------------------------------- */

static int connect_database(struct aggregator *a, struct err *e)
{
        char *conninfo CLEANUP(cleanup_free) = NULL;
        struct db *d CLEANUP(db_cleanup) = NULL;
        int64_t timeout = a->service->database.connect_timeout_ms;
        if (service_conninfo(a->service, &conninfo, e) < 0)
                return -1;
        if (db_open(conninfo, "rollcall-aggregator", (int)(timeout < CONNECT_MS ? timeout : CONNECT_MS), &d, e) < 0 || ledger_check(d, e) < 0)
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

/* ---- shares ---------------------------------------------------------------------------------------------------------------------------- */

/* Compares a position with what the broker has. 0: ready or stopped; 1: no longer ours; -1: error. */
static int check_share(struct aggregator *a, struct share *x, int64_t *ret_high, struct err *e)
{
        int64_t low = 0, high = 0;
        if (kafka_watermarks(a->consumer, x->topic, x->partition, &low, &high, WATERMARK_MS, e) < 0)
                return -1;
        *ret_high = high;
        broker_says(a, NULL);
        x->seen_ms = monotonic_ms();
        if (x->next > high) {
                if (!x->said_stopped)
                        log_error("results topic ends below the position: made anew or cut? This partition waits until its row in rollcall.position is put right",
                                  "topic=%s partition=%d position=%lld end=%lld source_no=%d", x->topic, (int)x->partition, (long long)x->next,
                                  (long long)high, (int)x->source_no);
                x->said_stopped = true;
                x->state = SHARE_STOPPED;
                return 0;
        }
        if (x->next < low) {
                int64_t position = x->next;
                int rc = store_skip(a->store, x, low, e);
                if (rc)
                        return rc;
                log_error("results are gone: the topic begins above the position, the totals lack what was between",
                          "topic=%s partition=%d position=%lld first=%lld missing=%lld", x->topic, (int)x->partition, (long long)position,
                          (long long)low, (long long)(low - position));
        }
        if (x->said_stopped)
                log_info("results partition goes on", "topic=%s partition=%d position=%lld", x->topic, (int)x->partition, (long long)x->next);
        x->said_stopped = false;
        x->state = SHARE_READY;
        return 0;
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
                shares[i] = (struct share){ .topic = list[i].topic, .partition = list[i].partition };
        if (need_cluster(a, e) < 0 || store_claim(a->store, a->cluster, a->owner, shares, n, a->fold, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++) {
                int64_t high = 0;
                rc = check_share(a, &shares[i], &high, e);
                if (rc)
                        return rc < 0 ? -1 : err_set(e, ERR_RETRY, "", "another aggregator took a partition over");
                list[i].offset = shares[i].state == SHARE_STOPPED ? high : shares[i].next;
        }
        free(a->shares);
        a->shares = TAKE(shares);
        a->n_shares = n;
        log_info("partitions taken up", "topic=%s partitions=%zu cluster=%s", a->service->topic_results, n, a->cluster);
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

/* Leaves the group; the next turn joins it again. librdkafka cannot seek a partition whose position was not on the broker. */
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
        if (store_claim(a->store, a->cluster, a->owner, a->shares, a->n_shares, a->fold, e) < 0)
                return -1;
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                int64_t high;
                if (x->state != SHARE_UNCLAIMED)
                        continue;
                int rc = check_share(a, x, &high, e);
                if (rc == 0 && x->state == SHARE_READY && kafka_seek(a->consumer, x->topic, x->partition, x->next, e) < 0) {
                        leave(a);
                        return -1;
                }
                if (rc) {
                        x->state = SHARE_UNCLAIMED;
                        return rc < 0 ? -1 : 0;
                }
        }
        return 0;
}

/* A partition that brings nothing may have ended below its position; one that was stopped may have been put right. */
static int check_quiet(struct aggregator *a, struct err *e)
{
        int64_t now = monotonic_ms();
        for (size_t i = 0; i < a->n_shares; i++) {
                struct share *x = &a->shares[i];
                int64_t high;
                if (x->next != x->stored || now - x->seen_ms < CHECK_MS)
                        continue;
                x->seen_ms = now;
                if (x->state == SHARE_STOPPED)
                        x->state = SHARE_UNCLAIMED;
                else if (x->state == SHARE_READY && check_share(a, x, &high, e) != 0) {
                        x->state = SHARE_UNCLAIMED;
                        return -1;
                }
        }
        return 0;
}

/* ---- a turn ---------------------------------------------------------------------------------------------------------------------------- */

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
        kafka_options_of(a->service, "rollcall-aggregator", a->properties, a->service->kafka.n_properties + PROPERTIES_EXTRA, &options);
        struct kafka_consumer_options c = { .group = group, .topics = topics, .n_topics = 1,
                                            .session_timeout_ms = (int)a->service->kafka.session_timeout_ms, .prefetch_max_bytes = PREFETCH_BYTES,
                                            .events = { .ctx = a, .assigned = assigned, .revoked = revoked } };
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
        int wait = !a->taken ? IDLE_MS : age < LINGER_MS ? (int)(LINGER_MS - age) : 0;
        int n = kafka_poll(a->consumer, wait, a->messages, database ? TAKE_MAX : 0, &why);
        if (n < 0 && strcmp(why.code, "OFFSET_OUT_OF_RANGE") == 0) { /* the claim that follows compares, and says what is wrong */
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
        if (claim_again(a, &why) < 0 || check_quiet(a, &why) < 0)
                return tolerate(a, &why, e);
        if (letters_publish(a, &why) == 0) {
                a->letters_wait = false;
                return 0;
        }
        if (store_db(a->store) && !db_alive(store_db(a->store)))
                return tolerate(a, &why, e);
        if (!a->letters_wait)
                log_warn("dead letters wait to be published", "code=%s error=" LOG_Q, why.code, why.text);
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

/* ---- life ------------------------------------------------------------------------------------------------------------------------------ */

static int make_parts(struct aggregator *a, struct err *e)
{
        const struct fold_limits limits = { .memory_max = FOLD_BYTES, .reasons_max = REASONS_MAX,
                                            .errors_max = (size_t)a->service->aggregator.errors_kept, .sources_max = SOURCES_MAX,
                                            .seed = (uint64_t)instant_now() };
        const struct store_limits store = { .params_max = PARAMS_BYTES, .reasons_max = REASONS_MAX,
                                            .errors_kept = a->service->aggregator.errors_kept };
        a->decoded = arena_new(DECODED_BYTES);
        a->letter_memory = arena_new(LETTER_BYTES);
        a->outgoing = arena_new(2 * LETTER_BYTES);
        a->messages = calloc(TAKE_MAX, sizeof *a->messages);
        a->properties = calloc(a->service->kafka.n_properties + PROPERTIES_EXTRA, sizeof *a->properties);
        if (!a->decoded || !a->letter_memory || !a->outgoing || !a->messages || !a->properties)
                return err_oom(e);
        if (codec_new(a->service->schemas.folder, &a->codec, e) < 0 || fold_new(&limits, &a->fold, e) < 0)
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
        store_free(a->store);
        fold_free(a->fold);
        codec_free(a->codec);
        arena_free(a->decoded);
        arena_free(a->letter_memory);
        arena_free(a->outgoing);
        free(a->messages);
        free(a->properties);
        free(a->shares);
        free(a);
}
