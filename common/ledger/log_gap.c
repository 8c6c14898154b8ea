#include "ledger/log_gap.h"

#include <stdio.h>

enum { PARAMS_MAX = 4096 };

enum log_fit log_compare(int64_t next, int64_t low, int64_t high)
{
        return high < next ? LOG_SHORT : low > next ? LOG_DELETED : LOG_FITS;
}

void log_gap_text(const struct log_gap *g, char *text, size_t size)
{
        const long long next = g->next, low = g->low, high = g->high;
        switch (g->fit) {
        case LOG_SHORT:
                snprintf(
                        text, size,
                        "%s/%d: the log ends at offset %lld, below the position %lld: the topic was made anew, or cut off",
                        g->topic, (int)g->partition, high, next);
                return;
        case LOG_DELETED:
                snprintf(
                        text, size,
                        "%s/%d: the log begins at offset %lld, above the position %lld: %lld messages were deleted before they were taken",
                        g->topic, (int)g->partition, low, next, low - next);
                return;
        case LOG_OTHER:
                snprintf(
                        text, size,
                        "%s/%d: the log has another message at offset %lld than the one that was taken there: the topic was made anew",
                        g->topic, (int)g->partition, next - 1);
                return;
        default:
                snprintf(text, size, "%s/%d: the log fits", g->topic, (int)g->partition);
        }
}

static int repair(struct db *d, const char *sql, const struct log_gap *g, const char *who,
                  struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_int4(p, g->source_no);
        db_add_int8(p, g->epoch);
        db_add_bool(p, g->fit != LOG_DELETED);
        db_add_int8(p, g->low);
        db_add_int8(p, g->high);
        db_add_str(p, who);
        if (db_query(d, sql, p, &r, e) < 0)
                return -1;
        return db_bool(r, 0, 0) ? 0 : 1;
}

int log_gap_repair(struct db *d, const struct log_gap *g, const char *by, struct err *e)
{
        return repair(d, "select rollcall.repair_position($1, $2, $3, $4, $5, $6)", g, by, e);
}

int log_gap_request_repair(struct db *d, const struct log_gap *g, const char *on_behalf_of,
                           struct err *e)
{
        return repair(d, "select rollcall.request_repair($1, $2, $3, $4, $5, $6)", g, on_behalf_of,
                      e);
}
