/* SPDX-License-Identifier: Apache-2.0 */
/* Compares what was published with the positions of its consumers, on a connection of its own. */
#include "publish/throttle.h"

#include "db/db.h"
#include "publish/backlog.h"

#include <stdlib.h>
#include <string.h>

enum { TOPICS = LANE_COUNT + 1, RECONNECT_MS = 1000, PARAMS_BYTES = 4096 };

struct throttle {
        const struct service *service;
        const char *exempt_topic, *name;
        struct backlog
                topics[TOPICS]; /* the lanes and the results topic: what programs of ours consume */
        uint64_t limit;         /* bytes */
        struct db *db;          /* the caller's may be in a transaction */
        int64_t refreshed_ms, connect_not_before_ms;
        bool waiting; /* publishing, since the last refresh */
};

int throttle_new(const struct service *s, const char *exempt_topic, const char *name,
                 struct throttle **ret, struct err *e)
{
        *ret = NULL;
        if (!s->kafka.in_flight_max_bytes)
                return 0;
        struct throttle *t = calloc(1, sizeof *t);
        if (!t)
                return err_oom(e);
        t->service = s;
        t->exempt_topic = exempt_topic;
        t->name = name;
        t->limit = (uint64_t)s->kafka.in_flight_max_bytes;
        for (size_t i = 0; i < LANE_COUNT; i++)
                t->topics[i].topic = s->topics[i];
        t->topics[LANE_COUNT].topic = s->topic_results;
        *ret = t;
        return 0;
}

void throttle_free(struct throttle *t)
{
        if (!t)
                return;
        for (size_t i = 0; i < TOPICS; i++)
                backlog_deinit(&t->topics[i]);
        db_free(t->db);
        free(t);
}

/* NULL: the topic has no limit. */
static struct backlog *backlog_of(struct throttle *t, const char *topic)
{
        for (size_t i = 0; t && i < TOPICS; i++)
                if (strcmp(t->topics[i].topic, topic) == 0)
                        return &t->topics[i];
        return NULL;
}

bool throttle_blocks(struct throttle *t, const char *topic)
{
        struct backlog *b = backlog_of(t, topic);
        if (!b || backlog_bytes(b) < t->limit ||
            (t->exempt_topic && strcmp(t->exempt_topic, topic) == 0))
                return false;
        t->waiting = true;
        return true;
}

bool throttle_is_waiting(const struct throttle *t)
{
        return t && t->waiting;
}

void throttle_sent(struct throttle *t, const char *topic, size_t bytes)
{
        struct backlog *b = backlog_of(t, topic);
        if (b)
                backlog_sent(b, bytes);
}

void throttle_delivered(struct throttle *t, const char *topic, int32_t partition, int64_t offset,
                        bool ok)
{
        struct backlog *b = backlog_of(t, topic);
        if (b && ok)
                backlog_acked(b, partition, offset);
        else if (b)
                backlog_failed(b);
}

/* False: the database is unavailable. */
static bool connect_database(struct throttle *t)
{
        struct err ignored = ERR_INIT;
        char *conninfo CLEANUP(cleanup_free) = NULL;
        if (t->db && db_alive(t->db))
                return true;
        db_free(TAKE(t->db));
        if (monotonic_ms() < t->connect_not_before_ms)
                return false;
        t->connect_not_before_ms = monotonic_ms() + RECONNECT_MS;
        return service_conninfo(t->service, &conninfo, &ignored) == 0 &&
               db_open(conninfo, t->name, (int)t->service->database.connect_timeout_ms, &t->db,
                       &ignored) == 0;
}

static void read_positions(struct throttle *t, const char *cluster)
{
        struct err ignored = ERR_INIT;
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_BYTES);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return;
        db_add_str(p, cluster);
        if (db_query(t->db,
                     "select topic, partition, next from rollcall.position where cluster = $1", p,
                     &r, &ignored) < 0)
                return;
        for (int row = 0; row < db_rows(r); row++) {
                struct backlog *b = backlog_of(t, db_str(r, row, 0));
                if (b)
                        backlog_consumed(b, (int32_t)db_int(r, row, 1), db_int(r, row, 2));
        }
        t->waiting = false;
}

void throttle_refresh(struct throttle *t, const char *cluster)
{
        if (!throttle_is_waiting(t) || monotonic_ms() - t->refreshed_ms < THROTTLE_REFRESH_MS)
                return;
        t->refreshed_ms = monotonic_ms();
        if (connect_database(t))
                read_positions(t, cluster);
}
