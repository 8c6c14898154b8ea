/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a stored offset against its topic, and its repair. */
#include "position/position.h"

#include "base/log.h"

#include <stdio.h>

enum { PARAMS_MAX = 4096, TEXT_MAX = 512 };

enum offset_check offset_check(int64_t next, int64_t low, int64_t high)
{
        return high < next ? OFFSET_PAST_END : low > next ? OFFSET_BELOW_START : OFFSET_VALID;
}

int position_check(struct position *x, struct kafka_consumer *k, int timeout_ms,
                   struct position_gap *ret, struct err *e)
{
        int64_t low = 0, high = 0;
        if (kafka_watermarks(k, x->topic, x->partition, &low, &high, timeout_ms, e) < 0)
                return -1;
        *ret = (struct position_gap){
                offset_check(x->next, low, high),
                x->topic,
                x->partition,
                x->source_no,
                x->epoch,
                x->next,
                low,
                high,
        };
        x->verify = ret->check == OFFSET_VALID && x->digest && x->next > low ? x->next - 1 : -1;
        return 0;
}

int64_t position_start(const struct position *x)
{
        return x->verify < 0 ? x->next : x->verify;
}

bool position_verify(struct position *x, const struct kafka_message *m)
{
        /* another offset: the message has been deleted since */
        bool same = m->offset != x->verify || kafka_message_digest(m) == x->digest;
        x->verify = -1;
        return same;
}

void position_gap_text(const struct position_gap *g, char *text, size_t size)
{
        const long long next = g->next, low = g->low, high = g->high;
        const char *topic = g->topic;
        const int partition = g->partition;
        switch (g->check) {
        case OFFSET_VALID:
                snprintf(text, size, "%s/%d: offset %lld is valid", topic, partition, next);
                return;
        case OFFSET_PAST_END:
                snprintf(text, size,
                         "%s/%d: the topic ends at offset %lld, before the stored offset %lld: "
                         "it was deleted and re-created, or truncated",
                         topic, partition, high, next);
                return;
        case OFFSET_BELOW_START:
                snprintf(text, size,
                         "%s/%d: the topic begins at offset %lld, after the stored offset %lld: "
                         "%lld messages were deleted before they were consumed",
                         topic, partition, low, next, low - next);
                return;
        case OFFSET_REPLACED:
                snprintf(text, size,
                         "%s/%d: the message at offset %lld is not the one that was consumed "
                         "there: the topic was deleted and re-created",
                         topic, partition, next - 1);
                return;
        }
}

/* ---- repair ---- */

static int run_repair(struct db *d, const char *sql, const struct position_gap *g, const char *who,
                      struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_int4(p, g->source_no);
        db_add_int8(p, g->epoch);
        db_add_bool(p, g->check != OFFSET_BELOW_START);
        db_add_int8(p, g->low);
        db_add_int8(p, g->high);
        db_add_str(p, who);
        if (db_query(d, sql, p, &r, e) < 0)
                return -1;
        return db_bool(r, 0, 0) ? POSITION_REPAIRED : POSITION_TAKEN_OVER;
}

int position_repair(struct db *d, const struct position_gap *g, const char *by, struct err *e)
{
        return run_repair(d, "select rollcall.repair_position($1, $2, $3, $4, $5, $6)", g, by, e);
}

int position_request_repair(struct db *d, const struct position_gap *g, const char *on_behalf_of,
                            struct err *e)
{
        return run_repair(d, "select rollcall.request_repair($1, $2, $3, $4, $5, $6)", g,
                          on_behalf_of, e);
}

int position_handle_gap(struct position *x, struct db *d, const struct position_gap *g, bool repair,
                        const char *by, struct err *e)
{
        char text[TEXT_MAX];
        position_gap_text(g, text, sizeof text);
        x->verify = -1;
        if (!repair) {
                if (!x->stop_logged)
                        log_error("partition stopped",
                                  "topic=%s partition=%d source_no=%d "
                                  "error=\"%s; run: rollcall topics repair\"",
                                  x->topic, (int)x->partition, x->source_no, text);
                x->stop_logged = true;
                return POSITION_STOPS;
        }
        int rc = position_repair(d, g, by, e);
        if (rc == POSITION_REPAIRED)
                log_error("position repaired: the topic lost messages, which are requested again",
                          "topic=%s partition=%d error=" LOG_Q, x->topic, (int)x->partition, text);
        return rc < 0 ? -1 : POSITION_CLAIM_AGAIN;
}

void position_resumed(struct position *x)
{
        if (x->stop_logged)
                log_info("partition resumed", "topic=%s partition=%d offset=%lld", x->topic,
                         (int)x->partition, (long long)x->next);
        x->stop_logged = false;
}
