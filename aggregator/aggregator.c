/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the parts of the aggregator, and its connections. */
#include "aggregator/aggregator.h"

#include "alert/watch.h"
#include "base/log.h"
#include "ledger/ledger.h"
#include "ledger/presence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        FOLD_BYTES = 8 * 1024 * 1024,
        PARAMS_BYTES = 32 * 1024 * 1024,
        DECODED_BYTES = 2 * 1024 * 1024,
        DEAD_LETTER_BYTES = 4 * 1024 * 1024,
        PUBLISH_QUEUE_BYTES = 4 * 1024 * 1024,
        REASONS_MAX = 100,
        SEQUENCES_MAX = 100000,
        CONNECT_MS = 5000,
};

/* ---- availability ---- */

void aggregator_log_broker(struct aggregator *a, const struct err *why)
{
        if (why && !a->broker_unavailable)
                log_warn("broker unavailable, will retry", "code=%s error=" LOG_Q, why->code,
                         why->text);
        else if (!why && a->broker_unavailable)
                log_info("broker recovered", "cluster=%s", a->cluster);
        a->broker_unavailable = why != NULL;
}

void aggregator_log_database(struct aggregator *a, const struct err *why)
{
        if (why && !a->database_unavailable)
                log_warn("database unavailable, will retry", "code=%s error=" LOG_Q, why->code,
                         why->text);
        else if (!why && a->database_unavailable)
                log_info("database recovered", "owner=%s", a->owner);
        a->database_unavailable = why != NULL;
}

bool aggregator_has_database(const struct aggregator *a)
{
        return store_db(a->store) && db_alive(store_db(a->store));
}

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

int aggregator_need_database(struct aggregator *a, struct err *e)
{
        if (aggregator_has_database(a))
                return AVAILABLE;
        if (monotonic_ms() < a->connect_not_before_ms)
                return UNAVAILABLE;
        struct err why = ERR_INIT;
        if (connect_database(a, &why) == 0) {
                aggregator_log_database(a, NULL);
                return AVAILABLE;
        }
        store_detach(a->store);
        if (why.class != ERR_RETRY) {
                *e = why;
                return -1;
        }
        a->connect_not_before_ms = monotonic_ms() + AGGREGATOR_RETRY_MS;
        aggregator_log_database(a, &why);
        return UNAVAILABLE;
}

int aggregator_classify_error(struct aggregator *a, const struct err *why, struct err *e)
{
        if (why->class != ERR_RETRY) {
                *e = *why;
                return -1;
        }
        if (aggregator_has_database(a)) {
                aggregator_log_broker(a, why);
                return 0;
        }
        store_detach(a->store);
        aggregator_log_database(a, why);
        return 0;
}

struct partition_context aggregator_partition_context(const struct aggregator *a)
{
        return (struct partition_context){
                .db = store_db(a->store),
                .consumer = a->consumer,
                .cluster = a->cluster,
                .owner = a->owner,
                .repair = strcmp(a->service->kafka.lost_log, "repair") == 0,
        };
}

/* ---- the publisher ---- */

static void acked(void *ctx, uint64_t token, const struct err *e)
{
        struct aggregator *a = ctx;
        (void)token;
        if (e)
                a->publish_error = *e;
}

int aggregator_need_publisher(struct aggregator *a, struct err *e)
{
        if (a->publisher)
                return 0;
        struct publisher_options o = { .service = a->service,
                                       .source = "/rollcall/aggregator",
                                       .client_id = "rollcall-aggregator",
                                       .queue_max_bytes = PUBLISH_QUEUE_BYTES,
                                       .acked = acked,
                                       .ctx = a };
        return publisher_new(&o, &a->publisher, e);
}

/* ---- the parts ---- */

static int make_parts(struct aggregator *a, struct err *e)
{
        const struct fold_limits limits = { .memory_max = FOLD_BYTES,
                                            .reasons_max = REASONS_MAX,
                                            .errors_max =
                                                    (size_t)a->service->aggregator.errors_kept,
                                            .sequences_max = SEQUENCES_MAX,
                                            .seed = (uint64_t)instant_now() };
        const struct store_limits store = { .params_max = PARAMS_BYTES,
                                            .reasons_max = REASONS_MAX,
                                            .errors_kept = a->service->aggregator.errors_kept };
        a->decoded = arena_new(DECODED_BYTES);
        a->batch.memory = arena_new(DEAD_LETTER_BYTES);
        a->publishing = arena_new(2 * DEAD_LETTER_BYTES);
        a->messages = calloc(AGGREGATOR_POLL_MAX, sizeof *a->messages);
        a->searches = kafka_searches_new();
        a->properties = calloc(AGGREGATOR_PROPERTIES_MAX, sizeof *a->properties);
        if (!a->decoded || !a->batch.memory || !a->publishing || !a->messages || !a->searches ||
            !a->properties)
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
        a->batch.dead_letters_end = &a->batch.dead_letters;
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
        kafka_consumer_free(a->consumer); /* the partitions are revoked, which stores the batch */
        publisher_free(a->publisher);
        if (a->store && aggregator_has_database(a))
                presence_leave(store_db(a->store), a->owner);
        store_free(a->store);
        watch_free(a->watch);
        issued_deinit(&a->issued);
        fold_free(a->fold);
        codec_free(a->codec);
        arena_free(a->decoded);
        arena_free(a->batch.memory);
        arena_free(a->publishing);
        free(a->messages);
        kafka_searches_free(a->searches);
        free(a->properties);
        free(a->partitions);
        db_result_free(a->backfill.sources);
        free(a);
}
