/* SPDX-License-Identifier: Apache-2.0 */
/* Offset checks of the claimed partitions, and what a failed one leads to. */
#include "offset_checks.h"

#include "db/columns.h"
#include "deaths.h"
#include "worker_statements.h"

#include <stdlib.h>
#include <string.h>

enum { OFFSETS_TIMEOUT_MS = 5000, REPLACED_TIMEOUT_MS = 500 };

int offset_checks_get(struct lane_worker *w, struct lane_partition *x, struct position_gap *ret,
                      struct err *e)
{
        return position_check(&x->at, w->membership.consumer, OFFSETS_TIMEOUT_MS, ret, e);
}

/* A stopped partition is not consumed; the lane's others are. */
static int handle_gap(struct lane_worker *w, struct lane_partition *x, const struct position_gap *g,
                      struct err *e)
{
        bool repair = strcmp(w->o->service->kafka.lost_log, "repair") == 0;
        int rc = position_handle_gap(&x->at, w->db, g, repair, w->owner, e);
        if (rc == POSITION_STOPS)
                x->state = LANE_PARTITION_STOPPED;
        return rc;
}

int offset_checks_after_claim(struct lane_worker *w, struct lane_partition *x, int64_t *ret_start,
                              struct err *e)
{
        struct position_gap found;
        if (offset_checks_get(w, x, &found, e) < 0)
                return -1;
        *ret_start = found.high;
        if (found.check != OFFSET_VALID)
                return handle_gap(w, x, &found, e);
        deaths_note_claim(w, x, found.high);
        if (x->at.verify < 0)
                position_resumed(&x->at);
        *ret_start = position_start(&x->at);
        return OFFSET_VALID;
}

static bool is_unverified(const struct lane_partition *x)
{
        return lane_partition_is_owned(x) && x->at.verify >= 0;
}

static bool any_unverified(const struct lane_worker *w)
{
        for (size_t i = 0; i < w->partitions.n; i++)
                if (is_unverified(&w->partitions.list[i]))
                        return true;
        return false;
}

static int verify(struct lane_worker *w, struct lane_partition *x, const struct kafka_message *m,
                  struct err *e)
{
        struct position_gap found;
        if (position_verify(&x->at, m)) {
                position_resumed(&x->at);
                return OFFSETS_VALID;
        }
        if (offset_checks_get(w, x, &found, e) < 0)
                return -1;
        found.check = OFFSET_REPLACED;
        int rc = handle_gap(w, x, &found, e);
        return rc < 0 ? -1 : rc == POSITION_CLAIM_AGAIN ? OFFSETS_REJOIN : OFFSETS_VALID;
}

int offset_checks_verify(struct lane_worker *w, const struct kafka_message *list, size_t n,
                         struct err *e)
{
        for (size_t i = 0; i < n && any_unverified(w); i++) {
                int index = lane_worker_partition_index(w, list[i].topic, list[i].partition);
                if (index < 0 || !is_unverified(&w->partitions.list[index]))
                        continue;
                int rc = verify(w, &w->partitions.list[index], &list[i], e);
                if (rc != OFFSETS_VALID)
                        return rc;
        }
        return OFFSETS_VALID;
}

int offset_checks_replaced(struct lane_worker *w, struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_INT4, struct lane_partition, at.source_no),
                DB_FIELD(DB_INT8, struct lane_partition, at.epoch),
        };
        struct err unknown = ERR_INIT; /* an unavailable broker is met by the poll */
        size_t size = w->partitions.n + 1;
        struct kafka_partition *list CLEANUP(cleanup_free) = calloc(size, sizeof *list);
        const struct lane_partition **found CLEANUP(cleanup_free) = calloc(
                size, sizeof(struct lane_partition *));
        if (!list || !found)
                return err_oom(e);
        int n = kafka_find_recreated(w->membership.consumer, publisher_client(w->publisher),
                                     REPLACED_TIMEOUT_MS, list, w->partitions.n, &unknown);
        if (n <= 0)
                return OFFSETS_VALID;
        for (int i = 0; i < n; i++)
                found[i] = &w->partitions.list[lane_worker_partition_index(w, list[i].topic,
                                                                           list[i].partition)];
        const struct db_rowset rows = DB_POINTERS(found, (size_t)n);
        db_params_reset(w->transactor.params);
        db_add_columns(w->transactor.params, &rows, columns, ARRAY_LEN(columns));
        return db_query(w->db, sql_position_discard_digest, w->transactor.params, NULL, e) < 0
                       ? -1
                       : OFFSETS_REJOIN;
}
