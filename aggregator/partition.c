/* Claims partitions, and checks their positions against the topic. */
#include "aggregator/partition.h"

#include "aggregator_statements.h"
#include "base/log.h"
#include "ledger/log_gap.h"

#include <string.h>

enum { WATERMARK_MS = 2000, PARAMS_BYTES = 8 * 1024 * 1024 };

/* ---- the list ---- */

struct partition *partitions_find(struct partition *list, size_t n, const struct kafka_message *m,
                                  size_t *latest)
{
        for (size_t i = 0; i < n; i++) {
                size_t k = (*latest + i) % n;
                struct partition *x = &list[k];
                if (x->partition == m->partition &&
                    (x->topic == m->topic || strcmp(x->topic, m->topic) == 0)) {
                        *latest = k;
                        return x;
                }
        }
        return NULL;
}

size_t partitions_count(const struct partition *list, size_t n, enum partition_state state)
{
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
                count += list[i].state == state;
        return count;
}

void partition_reset(struct partition *x)
{
        x->next = x->stored;
        x->next_digest = x->digest;
        x->last = NULL;
        x->touched = false;
        x->dead_letters = x->dead_letters_stored;
        x->state = PARTITION_UNCLAIMED;
}

/* ---- the claim ---- */

bool partition_is_unclaimed(const void *partition, void *ctx)
{
        (void)ctx;
        return ((const struct partition *)partition)->state == PARTITION_UNCLAIMED;
}

static void read_position(struct partition *x, const struct db_result *r, int row)
{
        x->source_no = (int32_t)db_int(r, row, 0);
        x->epoch = db_int(r, row, 3);
        x->stored = x->next = db_int(r, row, 4);
        x->dead_letters_stored = x->dead_letters = db_int(r, row, 5);
        x->dead_letters_published = db_int(r, row, 6);
        x->digest = x->next_digest = db_int(r, row, 7);
        x->behind = db_bool(r, row, 8);
        x->dead_letters_offset = -1;
}

int partitions_claim(const struct partition_context *c, struct partition *list, size_t n,
                     struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_TEXT, struct partition, topic),
                DB_FIELD(DB_INT4, struct partition, partition),
        };
        struct db_rowset unclaimed = DB_ARRAY(list, n);
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_BYTES);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_str(p, c->cluster);
        db_add_str(p, c->owner);
        unclaimed.wanted = partition_is_unclaimed;
        db_add_columns(p, &unclaimed, columns, ARRAY_LEN(columns));
        if (db_query(c->db, sql_claim_partitions, p, &rows, e) < 0)
                return -1;
        for (int row = 0; row < db_rows(rows); row++)
                for (size_t i = 0; i < n; i++)
                        if (list[i].partition == db_int(rows, row, 2) &&
                            strcmp(list[i].topic, db_str(rows, row, 1)) == 0)
                                read_position(&list[i], rows, row);
        return 0;
}

/* ---- the offset check ---- */

static void log_resumed(struct partition *x)
{
        if (x->stop_logged)
                log_info("results partition resumed", "topic=%s partition=%d position=%lld",
                         x->topic, (int)x->partition, (long long)x->next);
        x->stop_logged = false;
}

/* The stored offset is not in the topic: the partition is stopped, or its position is repaired and
 * it must be claimed again. -1: error. */
static int stop_or_repair(const struct partition_context *c, struct partition *x, enum log_fit fit,
                          int64_t low, int64_t high, struct err *e)
{
        const struct log_gap g = { fit,      x->topic, x->partition, x->source_no,
                                   x->epoch, x->next,  low,          high };
        char what[512];
        log_gap_text(&g, what, sizeof what);
        x->state = PARTITION_STOPPED;
        x->start = high;
        if (c->repair) {
                int rc = log_gap_repair(c->db, &g, c->owner, e);
                if (rc < 0)
                        return -1;
                x->state = PARTITION_UNCLAIMED;
                if (rc == 0)
                        log_error("results topic lost messages; rebuilding the missing totals from "
                                  "the ledger",
                                  "error=" LOG_Q, what);
                return 0;
        }
        if (!x->stop_logged)
                log_error("results partition stopped",
                          "source_no=%d error=\"%s; run: rollcall topics repair\"",
                          (int)x->source_no, what);
        x->stop_logged = true;
        return 0;
}

static int get_offsets(const struct partition_context *c, struct partition *x, int64_t *low,
                       int64_t *high, struct err *e)
{
        if (kafka_watermarks(c->consumer, x->topic, x->partition, low, high, WATERMARK_MS, e) < 0)
                return -1;
        x->seen_ms = monotonic_ms();
        return 0;
}

int partition_check(const struct partition_context *c, struct partition *x, struct err *e)
{
        int64_t low = 0, high = 0;
        if (get_offsets(c, x, &low, &high, e) < 0)
                return -1;
        enum log_fit fit = log_compare(x->next, low, high);
        if (fit != LOG_FITS)
                return stop_or_repair(c, x, fit, low, high, e);
        x->check = x->digest && x->next > low ? x->next - 1 : -1;
        x->start = x->check < 0 ? x->next : x->check;
        if (x->check < 0)
                log_resumed(x);
        x->state = x->behind ? PARTITION_BACKFILL : PARTITION_READY;
        return 0;
}

bool partition_is_unverified(const struct partition *x)
{
        return x->state == PARTITION_READY && x->check >= 0;
}

int partition_verify(const struct partition_context *c, struct partition *x,
                     const struct kafka_message *m, struct err *e)
{
        int64_t low = 0, high = 0;
        bool same = m->offset != x->check || kafka_message_digest(m) == x->digest;
        x->check = -1;
        if (same) {
                log_resumed(x);
                return 0;
        }
        if (get_offsets(c, x, &low, &high, e) < 0) {
                x->state = PARTITION_UNCLAIMED; /* verified after the next claim */
                return 0;
        }
        return stop_or_repair(c, x, LOG_OTHER, low, high, e);
}

int partition_recheck(const struct partition_context *c, struct partition *x, struct err *e)
{
        int64_t low = 0, high = 0;
        if (get_offsets(c, x, &low, &high, e) < 0)
                return -1;
        if (log_compare(x->next, low, high) != LOG_FITS)
                x->state = PARTITION_UNCLAIMED; /* the check after the claim logs the reason */
        return 0;
}
