/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks are published chunk by chunk. A chunk counts as published when Kafka has acknowledged its
 * tasks; the table stores up to which one, so that another scheduler can continue there. */
#include "fanout.h"

#include "announce.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "plan_chunk.h"
#include "run_close.h"
#include "scheduler_statements.h"

#include <stdlib.h>
#include <string.h>

enum {
        FANOUTS_MAX = 64,
        CHUNKS_UNACKED_MAX = 128, /* of a small run each partition has one */
        PART_ROWS = 1000,
        CHECKPOINT_MS = 200,
        ASK_MS = 100,
};

/* A run that is being published. */
struct fanout {
        struct run *run;
        int chunks, next_chunk, published; /* published: chunks whose tasks are all acknowledged */
        int checkpointed;                  /* `published`, as the table has it */
        int64_t checkpoint_ms;
        int64_t planned;
        bool republished;          /* only what has no outcome is published */
        bool by_task;              /* the ledger keeps the run so */
        struct plan_chunk chunk;   /* that is being published */
        struct span subject, item; /* the next of it, when `ready` */
        bool ready;
        size_t unacked[CHUNKS_UNACKED_MAX]; /* tasks of chunk i (modulo) */
        uint32_t id;                        /* upper half of the tokens */
        bool seen;                          /* by the latest fanout_find */
};

struct fanouts {
        struct context *c;
        const struct admission *admission;
        struct fanout *list[FANOUTS_MAX];
        size_t n;
        bool soon;
};

int fanouts_new(struct context *c, const struct admission *a, struct fanouts **ret, struct err *e)
{
        struct fanouts *all = calloc(1, sizeof *all);
        if (!all)
                return err_oom(e);
        all->c = c;
        all->admission = a;
        *ret = all;
        return 0;
}

static void free_fanout(struct fanout *f)
{
        if (!f)
                return;
        plan_chunk_unload(&f->chunk);
        run_free(f->run);
        free(f);
}

void fanout_reset(struct fanouts *all)
{
        for (size_t i = 0; i < all->n; i++)
                free_fanout(all->list[i]);
        all->n = 0;
}

void fanouts_free(struct fanouts *all)
{
        if (!all)
                return;
        fanout_reset(all);
        free(all);
}

bool fanout_active(const struct fanouts *all)
{
        return all->n > 0;
}

bool fanout_soon(const struct fanouts *all)
{
        return all->soon;
}

static void drop_fanout(struct fanouts *all, size_t i)
{
        free_fanout(all->list[i]);
        all->list[i] = all->list[--all->n];
}

/* Tokens: the fan-out's id and the chunk. */
bool fanout_acked(struct fanouts *all, uint64_t token)
{
        for (size_t i = 0; i < all->n; i++) {
                struct fanout *f = all->list[i];
                if (f->id != token >> 32)
                        continue;
                size_t *unacked = &f->unacked[(uint32_t)token % CHUNKS_UNACKED_MAX];
                if (*unacked > 0)
                        --*unacked;
                return true;
        }
        return false;
}

/* ---- what there is to publish ---- */

/* Columns of sql_planned_runs. */
enum { RUN_NO, RUN_ID, CHUNKS, PUBLISHED, PLANNED, AGAIN, BY_TASK };

static int add_fanout(struct fanouts *all, const struct db_result *r, int row, struct err *e)
{
        struct context *c = all->c;
        struct fanout *f = calloc(1, sizeof *f);
        if (!f)
                return err_oom(e);
        int rc = run_load(c->db, c->packs, db_uuid(r, row, RUN_ID), &f->run, e);
        if (rc != 0) {
                free_fanout(f);
                return rc < 0 ? -1 : 0;
        }
        f->chunks = (int)db_int(r, row, CHUNKS);
        f->planned = db_int(r, row, PLANNED);
        f->republished = db_bool(r, row, AGAIN);
        f->by_task = db_bool(r, row, BY_TASK);
        f->next_chunk = f->published = f->checkpointed = (int)db_int(r, row, PUBLISHED);
        f->id = ++c->last_token;
        f->seen = true;
        all->list[all->n++] = f;
        return 0;
}

/* A run that an operator has set back starts from the table's state. */
static bool is_current(struct fanouts *all, const struct db_result *r, int row)
{
        for (size_t i = 0; i < all->n; i++) {
                struct fanout *f = all->list[i];
                if (f->run->run_no != db_int(r, row, RUN_NO))
                        continue;
                f->seen = db_int(r, row, PUBLISHED) == f->checkpointed &&
                          db_bool(r, row, AGAIN) == f->republished;
                if (f->seen)
                        return true;
                drop_fanout(all, i);
                return false;
        }
        return false;
}

int fanout_find(struct fanouts *all, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(all->c->db, sql_planned_runs, NULL, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < all->n; i++)
                all->list[i]->seen = false;
        all->soon = false;
        for (int i = 0; i < db_rows(r); i++) {
                /* else "published" may be announced before "planned" */
                bool planning = admission_plans(all->admission, db_int(r, i, RUN_NO));
                all->soon |= planning;
                if (!planning && !is_current(all, r, i) && all->n < FANOUTS_MAX &&
                    add_fanout(all, r, i, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < all->n;)
                if (all->list[i]->seen)
                        i++;
                else
                        drop_fanout(all, i); /* cancelled */
        return 0;
}

/* ---- publishing ---- */

/* The tasks that are left go to other partitions than the plan says. */
static int keep_by_task(struct context *c, struct fanout *f, int partitions, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char id[UUID_TEXT_LEN + 1];
        db_params_reset(c->params);
        db_add_int8(c->params, f->run->run_no);
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, "select rollcall.keep_by_task($1)", c->params, &r, e) < 0)
                return -1;
        int rc = lease_commit(&c->lease, c->db, e);
        if (rc != 0)
                return rc;
        f->by_task = true;
        uuid_to_text(f->run->run_id, id);
        log_warn("the run was planned for other partitions; the ledger keeps each of its tasks by "
                 "itself from now on",
                 RUN_Q " lane=%s partitions=%d planned_lane=%s planned_partitions=%d rows=%lld",
                 RUN_VALUES(f->run->run_no, id, f->run->pack_name, f->run->job_name),
                 lane_name(f->chunk.type->lane), partitions, f->chunk.lane, f->chunk.partitions,
                 (long long)db_int(r, 0, 0));
        return 0;
}

/* What checking a chunk's partitions comes to, beside 0, -1 and LEAD_LOST. */
enum { NOT_KNOWN = LEAD_LOST + 1 };

static int check_partitions(struct context *c, struct fanout *f, struct err *e)
{
        if (f->by_task || !f->chunk.partitions)
                return 0;
        int now = publisher_partitions(c->publisher, f->chunk.type->lane, ASK_MS);
        if (!now)
                return NOT_KNOWN;
        bool same = now == f->chunk.partitions &&
                    strcmp(f->chunk.lane, lane_name(f->chunk.type->lane)) == 0;
        return same ? 0 : keep_by_task(c, f, now, e);
}

static bool next_subject(struct fanout *f)
{
        return f->ready || (f->ready = plan_chunk_next(&f->chunk, &f->subject, &f->item));
}

/* What publishing a part of a chunk comes to, beside -1. */
enum part { PART_CHUNK_DONE, PART_THROTTLED /* at once */, PART_ROWS_LEFT };

static int publish_part(struct context *c, struct fanout *f, struct err *e)
{
        struct task t = {
                .run_id = f->run->run_id,
                .type = span_of(f->chunk.type->full_name),
                .scheduled_at = f->run->scheduled_at,
                .dry_run = f->chunk.dry_run,
                .actor = span_of(f->run->requested_by),
        };
        uint64_t token = (uint64_t)f->id << 32 | (uint32_t)f->next_chunk;
        for (int i = 0; i < PART_ROWS; i++) {
                if (!next_subject(f))
                        return PART_CHUNK_DONE;
                t.subject = f->subject;
                t.item = f->item;
                t.task_id = task_id_of(t.run_id, t.type, t.subject, t.item);
                int rc = publish_task(c->publisher, &t, f->chunk.type->lane, token, e);
                if (rc != PUBLISH_QUEUED)
                        return rc < 0 ? -1 : i ? PART_ROWS_LEFT : PART_THROTTLED;
                f->ready = false;
                f->unacked[f->next_chunk % CHUNKS_UNACKED_MAX]++;
                FAILPOINT("fanout.task");
        }
        return PART_ROWS_LEFT;
}

/* Chunks count in order: another scheduler continues at `published`. */
static void advance(struct fanout *f)
{
        while (f->published < f->next_chunk && f->unacked[f->published % CHUNKS_UNACKED_MAX] == 0)
                f->published++;
}

/* 0: it has to wait; WORK_LEFT; LEAD_LOST; -1. */
static int publish_step(struct context *c, struct fanout *f, struct err *e)
{
        advance(f);
        if (f->next_chunk == f->chunks || f->next_chunk - f->published >= CHUNKS_UNACKED_MAX)
                return 0;
        if (!f->chunk.result &&
            plan_chunk_load(c, f->run->run_no, f->next_chunk, f->republished, &f->chunk, e) < 0)
                return -1;
        int rc = check_partitions(c, f, e);
        if (rc != 0)
                return rc == NOT_KNOWN ? 0 : rc;
        int part = publish_part(c, f, e);
        if (part < 0)
                return -1;
        if (part != PART_CHUNK_DONE)
                return part == PART_ROWS_LEFT ? WORK_LEFT : 0;
        FAILPOINT("fanout.chunk");
        plan_chunk_unload(&f->chunk);
        f->next_chunk++;
        return WORK_LEFT;
}

static int checkpoint(struct context *c, struct fanout *f, struct err *e)
{
        advance(f);
        bool complete = f->published == f->chunks;
        if (!complete &&
            (f->published == f->checkpointed || monotonic_ms() - f->checkpoint_ms < CHECKPOINT_MS))
                return 0;
        db_params_reset(c->params);
        db_add_int8(c->params, f->run->run_no);
        db_add_int4(c->params, f->published);
        db_add_int4(c->params, f->checkpointed);
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, sql_chunks_published, c->params, NULL, e) < 0)
                return -1;
        FAILPOINT("fanout.unnoted");
        f->checkpointed = f->published;
        f->checkpoint_ms = monotonic_ms();
        return lease_commit(&c->lease, c->db, e);
}

/* A run that cannot be published is closed; the others continue. */
static int fail_run(struct fanouts *all, size_t i, struct err *e)
{
        struct err why = *e;
        const struct run_name n = run_name_of(all->list[i]->run);
        if (why.class == ERR_RETRY || err_is_oom(&why) || !db_alive(all->c->db))
                return -1;
        const struct run_end end = { .state = RUN_FAILED, .reason = why.text, .alert = true };
        int rc = run_close(all->c, &n, &end, e);
        drop_fanout(all, i);
        return rc;
}

static void finish_run(struct fanouts *all, size_t i)
{
        const struct fanout *f = all->list[i];
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(f->run->run_id, id);
        log_info("run published", RUN_Q " tasks=%lld",
                 RUN_VALUES(f->run->run_no, id, f->run->pack_name, f->run->job_name),
                 (long long)f->planned);
        announce_state(all->c, f->run, RUN_PUBLISHED, f->planned);
        drop_fanout(all, i);
}

int fanout_round(struct fanouts *all, struct err *e)
{
        int left = 0;
        for (size_t i = 0; i < all->n;) {
                struct fanout *f = all->list[i];
                int rc = publish_step(all->c, f, e);
                if (rc < 0) {
                        rc = fail_run(all, i, e);
                        if (rc != 0)
                                return rc;
                        continue;
                }
                if (rc == LEAD_LOST)
                        return rc;
                if (rc == WORK_LEFT)
                        left = WORK_LEFT;
                rc = checkpoint(all->c, f, e);
                if (rc != 0)
                        return rc;
                if (f->checkpointed == f->chunks)
                        finish_run(all, i);
                else
                        i++;
        }
        return left;
}

int fanout_checkpoint(struct fanouts *all, struct err *e)
{
        for (size_t i = 0; i < all->n; i++) {
                all->list[i]->checkpoint_ms = 0;
                int rc = checkpoint(all->c, all->list[i], e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}
