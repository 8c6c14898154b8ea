/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of partitions, and how their positions move. */
#include "lane_partition.h"

#include "db/columns.h"
#include "worker_statements.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMS_MAX = 4096 };

int lane_partitions_index(struct lane_partitions *s, const char *topic, int32_t partition)
{
        for (size_t i = 0; i < s->n; i++)
                if (s->list[i].at.partition == partition && strcmp(s->list[i].at.topic, topic) == 0)
                        return (int)i;
        if (!s->list)
                /* all at once: a rebalance adds some while others are in use */
                s->list = calloc(LANE_PARTITIONS_MAX, sizeof *s->list);
        if (!s->list || s->n == LANE_PARTITIONS_MAX)
                return -1;
        s->list[s->n].at =
                (struct position){ .topic = topic, .partition = partition, .verify = -1 };
        return (int)s->n++;
}

/* ---- claims ---- */

static void read_claim(struct lane_partition *x, const struct db_result *r)
{
        x->at.source_no = (int)db_int(r, 0, 0);
        x->at.epoch = db_int(r, 0, 1);
        x->at.next = x->taken = db_int(r, 0, 2);
        x->sequence = db_int(r, 0, 3);
        x->published = db_int(r, 0, 4);
        x->at.digest = x->taken_digest = db_int(r, 0, 5);
        x->at.verify = -1;
        x->touched = false;
        x->state = LANE_PARTITION_CLAIMED;
}

int lane_partition_claim(struct db *d, const char *cluster, const char *owner,
                         struct lane_partition *x, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_str(p, cluster);
        db_add_str(p, x->at.topic);
        db_add_int4(p, x->at.partition);
        db_add_str(p, owner);
        if (db_query(d, sql_position_claim, p, &r, e) < 0)
                return -1;
        read_claim(x, r);
        x->acked = x->published;
        x->resume_ms = 0; /* an assigned partition is consumed */
        x->deaths = (int)db_int(r, 0, 7);
        x->trying = db_null(r, 0, 8) ? INT64_MIN : db_int(r, 0, 8);
        return 0;
}

int lane_partition_reclaim(struct db *d, struct lane_partition *x, struct err *e)
{
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (!p)
                return err_oom(e);
        db_add_int4(p, x->at.source_no);
        db_add_int8(p, x->at.epoch);
        if (db_query(d, sql_position_reclaim, p, &r, e) < 0)
                return -1;
        if (db_rows(r) == 0)
                return LANE_PARTITION_LOST;
        read_claim(x, r);
        if (x->acked < x->published || x->acked > x->sequence)
                x->acked = x->published;
        return LANE_PARTITION_RECLAIMED;
}

/* ---- moving ---- */

static bool is_dirty(const struct lane_partition *x)
{
        return lane_partition_is_owned(x) &&
               (x->acked > x->published || x->touched || x->taken != x->at.next);
}

static bool is_dirty_row(const void *row, void *ctx)
{
        (void)ctx;
        return is_dirty(row);
}

size_t lane_partitions_move_params(const struct lane_partitions *s, struct db_params *p)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_INT4, struct lane_partition, at.source_no),
                DB_FIELD(DB_INT8, struct lane_partition, at.epoch),
                DB_FIELD(DB_INT8, struct lane_partition, at.next),
                DB_FIELD(DB_INT8, struct lane_partition, taken),
                DB_FIELD(DB_INT8, struct lane_partition, taken_digest),
                DB_FIELD(DB_INT8, struct lane_partition, sequence),
                DB_FIELD(DB_INT8, struct lane_partition, acked),
        };
        struct db_rowset rows = DB_ARRAY(s->list, s->n);
        size_t n = 0;
        rows.wanted = is_dirty_row;
        db_add_columns(p, &rows, columns, ARRAY_LEN(columns));
        for (size_t i = 0; i < s->n; i++)
                n += is_dirty(&s->list[i]);
        return n;
}

void lane_partitions_moved(struct lane_partitions *s)
{
        for (size_t i = 0; i < s->n; i++) {
                struct lane_partition *x = &s->list[i];
                if (!is_dirty(x))
                        continue;
                x->at.next = x->taken;
                x->at.digest = x->taken_digest;
                x->published = x->acked;
                x->touched = false;
        }
}

void lane_partitions_untake(struct lane_partitions *s)
{
        for (size_t i = 0; i < s->n; i++) {
                struct lane_partition *x = &s->list[i];
                x->taken = x->at.next;
                x->taken_digest = x->at.digest;
        }
}
