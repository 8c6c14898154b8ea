/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step: connect, maintain (presence, alerts, claims, backfill, dead letters), poll, aggregate,
 * and store the batch when it is full or old enough.
 */
#include "aggregator/loop.h"

#include "aggregator/backfill.h"
#include "aggregator/batch.h"
#include "aggregator/consume.h"
#include "aggregator/dead_letters.h"
#include "aggregator/membership.h"
#include "alert/watch.h"
#include "base/log.h"
#include "daemon/reload.h"
#include "ledger/presence.h"

#include <string.h>

enum {
        LINGER_MS = 50, /* a batch waits so long for more: few messages make few transactions */
        IDLE_MS = 500,
};

static int poll_timeout_ms(const struct aggregator *a)
{
        int64_t age = monotonic_ms() - a->batch.since_ms;
        if (a->backfill_more)
                return 0;
        if (!a->batch.events)
                return IDLE_MS;
        return age < LINGER_MS ? (int)(LINGER_MS - age) : 0;
}

/* Consumes what there is, for as long as the batch may wait. Without a database the group is only
 * served. */
static int poll_messages(struct aggregator *a, bool database, struct err *e)
{
        struct err why = ERR_INIT;
        int n = kafka_poll(a->consumer, poll_timeout_ms(a), a->messages,
                           database ? AGGREGATOR_POLL_MAX : 0, &why);
        /* the offset check of the claim that follows logs the reason */
        if (n < 0 && strcmp(why.code, "OFFSET_OUT_OF_RANGE") == 0) {
                membership_leave(a);
                return 0;
        }
        if (n < 0)
                return aggregator_classify_error(a, &why, e);
        if (n > 0)
                aggregator_log_broker(a, NULL);
        int rc = consume(a, a->messages, (size_t)n, e);
        kafka_release(a->messages, (size_t)n);
        if (rc == 0 && a->batch.events && monotonic_ms() - a->batch.since_ms >= LINGER_MS)
                rc = batch_store(a, e);
        return rc < 0 ? -1 : 0;
}

static int publish_dead_letters(struct aggregator *a, struct err *e)
{
        struct err why = ERR_INIT;
        if (dead_letters_publish(a, &why) == 0) {
                a->publish_logged = false;
                return 0;
        }
        if (store_db(a->store) && !aggregator_has_database(a))
                return aggregator_classify_error(a, &why, e);
        if (!a->publish_logged)
                log_warn("dead letters cannot be published, will retry", "code=%s error=" LOG_Q,
                         why.code, why.text);
        a->publish_logged = true;
        return 0;
}

static int maintain(struct aggregator *a, struct err *e)
{
        struct err why = ERR_INIT;
        char refused[DAEMON_REFUSED_MAX];
        struct presence me = { .name = a->owner, .program = "rollcall-aggregator" };
        me.refused_reload = daemon_reload_refused(refused, &me.refused_at);
        struct db *d = store_db(a->store);
        if (d && (presence_note(d, &me, &a->present_ms, &why) < 0 ||
                  watch_check(a->watch, d, NULL, NULL, &why) < 0))
                return aggregator_classify_error(a, &why, e);
        if (membership_maintain(a, &why) < 0)
                return aggregator_classify_error(a, &why, e);
        int backfill = a->consumer ? backfill_step(a, &why) : BACKFILL_DONE;
        if (backfill < 0)
                return aggregator_classify_error(a, &why, e);
        a->backfill_more = backfill == BACKFILL_MORE;
        return publish_dead_letters(a, e);
}

int loop_step(struct aggregator *a, struct err *e)
{
        int database = batch_need_database(a, e);
        int consumer = database < 0 ? -1 : membership_need_consumer(a, e);
        if (database < 0 || consumer < 0)
                return -1;
        if (consumer == UNAVAILABLE)
                return LOOP_WAIT;
        if (database == AVAILABLE && maintain(a, e) < 0)
                return -1;
        if (a->consumer && poll_messages(a, database == AVAILABLE, e) < 0)
                return -1;
        return LOOP_NEXT;
}

bool loop_is_ready(const struct aggregator *a)
{
        return a->consumer && !a->database_unavailable;
}

int loop_drain(struct aggregator *a, struct err *e)
{
        if (batch_store(a, e) < 0)
                return -1;
        a->publish_not_before_ms = 0;
        return store_db(a->store) ? maintain(a, e) : 0;
}
