/* SPDX-License-Identifier: Apache-2.0 */
/* Claims partitions, and checks their positions against the topic. */
#include "aggregator/partition.h"

#include "aggregator_statements.h"

#include <string.h>

enum { WATERMARK_MS = 2000, PARAMS_BYTES = 8 * 1024 * 1024 };

/* ---- the list ---- */

struct partition *partitions_find(struct partition *list, size_t n, const struct kafka_message *m,
                                  size_t *latest)
{
        for (size_t i = 0; i < n; i++) {
                size_t k = (*latest + i) % n;
                struct partition *x = &list[k];
                if (x->at.partition == m->partition &&
                    (x->at.topic == m->topic || strcmp(x->at.topic, m->topic) == 0)) {
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
        x->next = x->at.next;
        x->next_digest = x->at.digest;
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
        x->at.source_no = (int32_t)db_int(r, row, 0);
        x->at.epoch = db_int(r, row, 3);
        x->at.next = x->next = db_int(r, row, 4);
        x->dead_letters_stored = x->dead_letters = db_int(r, row, 5);
        x->dead_letters_published = db_int(r, row, 6);
        x->at.digest = x->next_digest = db_int(r, row, 7);
        x->backfill_due = db_bool(r, row, 8);
        x->dead_letters_offset = -1;
}

int partitions_claim(const struct partition_context *c, struct partition *list, size_t n,
                     struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_TEXT, struct partition, at.topic),
                DB_FIELD(DB_INT4, struct partition, at.partition),
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
                        if (list[i].at.partition == db_int(rows, row, 2) &&
                            strcmp(list[i].at.topic, db_str(rows, row, 1)) == 0)
                                read_position(&list[i], rows, row);
        return 0;
}

/* ---- the offset check ---- */

/* The partition is stopped, or its position is repaired and it must be claimed again. -1: error. */
static int handle_gap(const struct partition_context *c, struct partition *x,
                      const struct position_gap *g, struct err *e)
{
        x->state = PARTITION_STOPPED;
        x->start = g->high;
        int rc = position_handle_gap(&x->at, c->db, g, c->repair, c->owner, e);
        if (rc == POSITION_CLAIM_AGAIN)
                x->state = PARTITION_UNCLAIMED;
        return rc < 0 ? -1 : 0;
}

static int check(const struct partition_context *c, struct partition *x, struct position_gap *ret,
                 struct err *e)
{
        if (position_check(&x->at, c->consumer, WATERMARK_MS, ret, e) < 0)
                return -1;
        x->seen_ms = monotonic_ms();
        return 0;
}

int partition_check(const struct partition_context *c, struct partition *x, struct err *e)
{
        struct position_gap found;
        if (check(c, x, &found, e) < 0)
                return -1;
        if (found.check != OFFSET_VALID)
                return handle_gap(c, x, &found, e);
        x->start = position_start(&x->at);
        if (x->at.verify < 0)
                position_resumed(&x->at);
        x->state = x->backfill_due ? PARTITION_BACKFILL : PARTITION_READY;
        return 0;
}

bool partition_is_unverified(const struct partition *x)
{
        return x->state == PARTITION_READY && x->at.verify >= 0;
}

int partition_verify(const struct partition_context *c, struct partition *x,
                     const struct kafka_message *m, struct err *e)
{
        struct position_gap found;
        if (position_verify(&x->at, m)) {
                position_resumed(&x->at);
                return 0;
        }
        if (check(c, x, &found, e) < 0) {
                x->state = PARTITION_UNCLAIMED; /* verified after the next claim */
                return 0;
        }
        found.check = OFFSET_REPLACED;
        return handle_gap(c, x, &found, e);
}

int partition_recheck(const struct partition_context *c, struct partition *x, struct err *e)
{
        struct position_gap found;
        int64_t verify = x->at.verify;
        if (check(c, x, &found, e) < 0)
                return -1;
        x->at.verify = verify;
        if (found.check != OFFSET_VALID)
                x->state = PARTITION_UNCLAIMED; /* the check after the claim logs the reason */
        return 0;
}
