/* Does a partition's log have what is to be taken next? */
#include "pump_internal.h"

#include "base/log.h"
#include "daemon/reload.h"
#include "ledger/log_gap.h"
#include "ledger/presence.h"
#include "worker_statements.h"

#include <stdlib.h>
#include <string.h>

enum {
        WATERMARK_TIMEOUT_MS = 5000,
        COMPARE_TIMEOUT_MS = 500,
        LOOK_MS = 1000,
        LEFT_OVER_MS = 10000,
        FAILING_MS = 5000,
        FAILED_MS = 15000
};

/* The partition stands still until its position has been put right; the lane's others go on. */
static void stop(struct pump *p, struct source *s, const char *what)
{
        if (!s->said)
                log_error("partition not taken up",
                          "lane=%s partition=%d error=\"%s; to go on: rollcall topics repair\"",
                          lane_name(p->o->lane), (int)s->partition, what);
        s->said = s->stopped = true;
        s->owned = false;
        s->check = -1;
}

/* 1 it stands still; 2 its position has been put right, or was somebody else's meanwhile; -1. */
static int misfit(struct pump *p, struct source *s, enum log_fit fit, int64_t low, int64_t high,
                  struct err *e)
{
        const struct log_gap g = { fit,      s->topic, s->partition, s->source_no,
                                   s->epoch, s->next,  low,          high };
        char what[512];
        log_gap_text(&g, what, sizeof what);
        if (strcmp(p->o->service->kafka.lost_log, "repair") != 0) {
                stop(p, s, what);
                return 1;
        }
        int rc = log_gap_repair(p->db, &g, p->owner, e);
        if (rc == 0)
                log_error(
                        "log does not fit: read from its beginning; open runs are published again",
                        "lane=%s partition=%d error=" LOG_Q, lane_name(p->o->lane),
                        (int)s->partition, what);
        return rc < 0 ? -1 : 2;
}

int pump_check_log(struct pump *p, struct source *s, int64_t *ret_start, struct err *e)
{
        int64_t low = 0, high = 0;
        if (kafka_watermarks(p->consumer, s->topic, s->partition, &low, &high, WATERMARK_TIMEOUT_MS,
                             e) < 0)
                return -1;
        enum log_fit fit = log_compare(s->next, low, high);
        *ret_start = high;
        if (fit != LOG_FITS)
                return misfit(p, s, fit, low, high, e);
        pump_be_careful(p, s, high);
        s->check = s->mark && s->next > low ? s->next - 1 : -1;
        s->said &= s->check >= 0;
        *ret_start = s->check < 0 ? s->next : s->check;
        return 0;
}

bool pump_log_fits(struct pump *p, const struct source *s, bool *ret_fits, struct err *e)
{
        int64_t low = 0, high = 0;
        if (kafka_watermarks(p->consumer, s->topic, s->partition, &low, &high, WATERMARK_TIMEOUT_MS,
                             e) < 0)
                return false;
        *ret_fits = log_compare(s->next, low, high) == LOG_FITS;
        return true;
}

static bool any_to_check(const struct pump *p)
{
        for (size_t i = 0; i < p->sources.n; i++)
                if (p->sources.list[i].owned && p->sources.list[i].check >= 0)
                        return true;
        return false;
}

static int compare(struct pump *p, struct source *s, const struct kafka_message *m, struct err *e)
{
        int64_t low = 0, high = 0;
        /* another offset: it is deleted by now */
        bool same = m->offset != s->check || kafka_message_digest(m) == s->mark;
        s->check = -1;
        if (same) {
                s->said = false;
                return 0;
        }
        if (kafka_watermarks(p->consumer, s->topic, s->partition, &low, &high, WATERMARK_TIMEOUT_MS,
                             e) < 0)
                return -1;
        return misfit(p, s, LOG_OTHER, low, high, e);
}

int pump_compare(struct pump *p, const struct kafka_message *list, size_t n, struct err *e)
{
        for (size_t i = 0; i < n && any_to_check(p); i++) {
                int index = pump_source(p, list[i].topic, list[i].partition);
                struct source *s = index < 0 ? NULL : &p->sources.list[index];
                if (!s || !s->owned || s->check < 0)
                        continue;
                int rc = compare(p, s, &list[i], e);
                if (rc < 0)
                        return -1;
                if (rc == 2)
                        return 1;
        }
        return 0;
}

int pump_look_at_logs(struct pump *p, struct err *e)
{
        struct err unknown = ERR_INIT; /* a broker that is away is met by the poll */
        CLEANUP(cleanup_free) struct kafka_partition *list = calloc(p->sources.n + 1, sizeof *list);
        if (!list)
                return err_oom(e);
        int n = kafka_find_recreated(p->consumer, publisher_client(p->publisher),
                                     COMPARE_TIMEOUT_MS, list, p->sources.n, &unknown);
        if (n <= 0)
                return 0;
        struct db_params *q = p->transactor.params;
        db_params_reset(q);
        for (int column = 0; column < 2; column++) {
                db_array_begin(q, column ? DB_INT8 : DB_INT4, (size_t)n);
                for (int i = 0; i < n; i++) {
                        const struct source *s =
                                &p->sources.list[pump_source(p, list[i].topic, list[i].partition)];
                        db_element_int(q, column ? s->epoch : s->source_no);
                }
                db_array_end(q);
        }
        return db_query(p->db, sql_position_discard_digest, q, NULL, e) < 0 ? -1 : 1;
}

static void add_topics(const struct pump *p, struct db_params *q)
{
        const struct service *s = p->o->service;
        db_array_begin(q, DB_TEXT, p->topic ? 1 : s->n_intakes);
        for (size_t i = 0; i < (p->topic ? 1 : s->n_intakes); i++)
                db_element_text(q, span_of(p->topic ? p->topic : s->intakes[i].topic));
        db_array_end(q);
}

static size_t look_params(struct pump *p, struct db_params *q)
{
        static const enum db_type types[] = { DB_INT4, DB_INT8, DB_INT8 };
        size_t n = 0;
        for (size_t i = 0; i < p->sources.n; i++)
                n += p->sources.list[i].owned || p->sources.list[i].stopped;
        db_params_reset(q);
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(q, types[column], n);
                for (size_t i = 0; i < p->sources.n; i++) {
                        const struct source *s = &p->sources.list[i];
                        const int64_t values[] = { s->source_no, s->epoch, s->next };
                        if (s->owned || s->stopped)
                                db_element_int(q, values[column]);
                }
                db_array_end(q);
        }
        db_add_str(q, p->cluster);
        add_topics(p, q);
        db_add_str(q, p->owner);
        return n;
}

/* A group that was balanced while the topic was not there has no partitions, and librdkafka does
 * not look again when it comes back as it was. */
static int left_over(struct pump *p, const char *topic, int64_t partition, struct err *e)
{
        if (!p->left_over_ms)
                p->left_over_ms = monotonic_ms();
        if (monotonic_ms() - p->left_over_ms < LEFT_OVER_MS)
                return 0;
        p->left_over_ms = 0;
        int count = kafka_topic_partitions(p->consumer, topic, WATERMARK_TIMEOUT_MS, e);
        return count < 0 ? -1 : partition < count;
}

/* What has failed again and again for some time, and did lately: not what failed once. */
static const char *waits_for(struct pump *p)
{
        int64_t now = monotonic_ms();
        if (p->failing_ms && now - p->failed_ms > FAILED_MS)
                p->failing_ms = 0;
        return p->failing_ms && p->failed_ms - p->failing_ms > FAILING_MS ? p->failure : NULL;
}

static int note_presence(struct pump *p, struct err *e)
{
        struct presence me = { .name = p->owner,
                               .program = "rollcall-worker",
                               .lane = lane_name(p->o->lane) };
        int32_t *partitions CLEANUP(cleanup_free) = calloc(p->sources.n + 1, sizeof *partitions);
        if (!partitions)
                return err_oom(e);
        for (size_t i = 0; i < p->sources.n; i++)
                if (p->sources.list[i].owned)
                        partitions[me.n_partitions++] = p->sources.list[i].partition;
        me.partitions = partitions;
        me.waits_for = waits_for(p);
        char refused[DAEMON_REFUSED_MAX];
        me.refused_reload = daemon_reload_refused(refused, &me.refused_at);
        return presence_note(p->db, &me, &p->present_ms, e);
}

int pump_look(struct pump *p, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (monotonic_ms() - p->compared_ms < LOOK_MS)
                return 0;
        p->compared_ms = monotonic_ms();
        if (note_presence(p, e) < 0)
                return -1;
        size_t n = look_params(p, p->transactor.params);
        if (db_prepare(p->db, "position_verify", sql_position_verify, e) < 0 ||
            db_run(p->db, "position_verify", p->transactor.params, &r, e) < 0)
                return -1;
        pump_note_notices(p);
        pauses_read(&p->transactor.pauses, db_str(r, 0, 2));
        if ((size_t)db_int(r, 0, 0) != n)
                return 1;
        int tried = pump_try_paused(p, e);
        if (tried != 0)
                return tried;
        if (!db_null(r, 0, 1))
                return left_over(p, db_str(r, 0, 3), db_int(r, 0, 1), e);
        p->left_over_ms = 0;
        return pump_look_at_logs(p, e);
}
