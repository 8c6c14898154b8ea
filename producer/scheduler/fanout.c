/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks are published chunk by chunk. A chunk counts as published when Kafka has acknowledged its
 * tasks; the table stores up to which one, so that another scheduler can continue there. */
#include "fanout.h"

#include "announce.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "run_close.h"
#include "scheduler_statements.h"

#include <stdlib.h>

enum { FANOUTS_MAX = 64, CHUNKS_UNACKED_MAX = 8, PART_ROWS = 1000, CHECKPOINT_MS = 200 };

/* A run that is being published. */
struct fanout {
        struct run *run;
        int chunks, next_chunk, published; /* published: chunks whose tasks are all acknowledged */
        int checkpointed;                  /* `published`, as the table has it */
        int64_t checkpoint_ms;
        int64_t planned;
        bool republished;                /* only what has no outcome is published */
        struct db_result *chunk;         /* that is being published; NULL: none */
        struct db_texts subjects, items; /* of it, that are left */
        struct span subject, item;       /* the next to be published, when `ready` */
        bool ready;
        const struct task_type *type;
        bool dry_run;
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
        db_result_free(f->chunk);
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
enum { RUN_NO, RUN_ID, CHUNKS, PUBLISHED, PLANNED, AGAIN };

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

static int load_chunk(struct context *c, struct fanout *f, struct err *e)
{
        struct db_result *head CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(c->params);
        db_add_int8(c->params, f->run->run_no);
        db_add_int4(c->params, f->next_chunk);
        if (db_query(c->db,
                     "select type_no, dry_run from rollcall.plan where run_no = $1 and chunk = $2",
                     c->params, &head, e) < 0)
                return -1;
        if (db_rows(head) != 1)
                return err_set(e, ERR_FATAL, "", "chunk %d of its plan is missing", f->next_chunk);
        f->type = type_by_number(c->types, (int)db_int(head, 0, 0));
        f->dry_run = db_bool(head, 0, 1);
        if (!f->type)
                return err_set(e, ERR_FATAL, "",
                               "a task type of its plan is not of this configuration");
        const char *sql = f->republished ? sql_chunk_without_outcome
                                         : "select subjects, items from rollcall.plan "
                                           "where run_no = $1 and chunk = $2";
        if (db_query_binary(c->db, sql, c->params, &f->chunk, e) < 0)
                return -1;
        f->subjects = db_texts(f->chunk, 0, 0);
        f->items = db_texts(f->chunk, 0, 1);
        f->ready = false;
        return 0;
}

static bool next_subject(struct fanout *f)
{
        if (f->ready)
                return true;
        if (!db_texts_next(&f->subjects, &f->subject))
                return false;
        if (!db_texts_next(&f->items, &f->item) || !f->item.ptr)
                f->item = SPAN_LIT("");
        return f->ready = true;
}

/* What publishing a part of a chunk comes to, beside -1. */
enum part { PART_CHUNK_DONE, PART_THROTTLED /* at once */, PART_ROWS_LEFT };

static int publish_part(struct context *c, struct fanout *f, struct err *e)
{
        struct task t = {
                .run_id = f->run->run_id,
                .type = span_of(f->type->full_name),
                .scheduled_at = f->run->scheduled_at,
                .dry_run = f->dry_run,
                .actor = span_of(f->run->requested_by),
        };
        uint64_t token = (uint64_t)f->id << 32 | (uint32_t)f->next_chunk;
        for (int i = 0; i < PART_ROWS; i++) {
                if (!next_subject(f))
                        return PART_CHUNK_DONE;
                t.subject = f->subject;
                t.item = f->item;
                t.task_id = task_id_of(t.run_id, t.type, t.subject, t.item);
                int rc = publish_task(c->publisher, &t, f->type->lane, token, e);
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

/* 0: it has to wait; WORK_LEFT; -1. */
static int publish_step(struct context *c, struct fanout *f, struct err *e)
{
        advance(f);
        if (f->next_chunk == f->chunks || f->next_chunk - f->published >= CHUNKS_UNACKED_MAX)
                return 0;
        if (!f->chunk && load_chunk(c, f, e) < 0)
                return -1;
        int part = publish_part(c, f, e);
        if (part < 0)
                return -1;
        if (part != PART_CHUNK_DONE)
                return part == PART_ROWS_LEFT ? WORK_LEFT : 0;
        FAILPOINT("fanout.chunk");
        db_result_free(f->chunk);
        f->chunk = NULL;
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
