/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is recorded as published when Kafka has acknowledged all its tasks; after a crash in
 * between it is published again, with the same ids.
 */
#include "requests.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "request_find.h"
#include "request_state.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        PART_TASKS = 1000,
        CHECKPOINT_MS = 50,
        PARAMS_MAX = 256 * 1024,
        ARGUMENTS_MEMORY = 2 * 1024 * 1024,
};

int requests_new(struct context *c, struct requests **ret, struct err *e)
{
        struct requests *q CLEANUP(requests_cleanup) = calloc(1, sizeof *q);
        if (!q || !(q->params = db_params_new(PARAMS_MAX)))
                return err_oom(e);
        q->c = c;
        for (size_t i = 0; i < LANE_COUNT; i++) {
                q->small[i].memory = arena_new(ARGUMENTS_MEMORY);
                q->large[i].memory = arena_new(ARGUMENTS_MEMORY);
                if (!q->small[i].memory || !q->large[i].memory)
                        return err_oom(e);
        }
        *ret = TAKE(q);
        return 0;
}

void requests_free(struct requests *q)
{
        if (!q)
                return;
        request_state_reset(q);
        for (size_t i = 0; i < LANE_COUNT; i++) {
                arena_free(q->small[i].memory);
                arena_free(q->large[i].memory);
        }
        db_params_free(q->params);
        free(q);
}

void requests_reset(struct requests *q)
{
        request_state_reset(q);
}

void requests_notified(struct requests *q)
{
        q->more = true;
}

bool requests_pending(const struct requests *q)
{
        return q->n_tracked > 0;
}

/* ---- publishing ---- */

static int read_arguments(struct request_batch *b, struct span json, struct err *e)
{
        struct setting_value *list = NULL;
        if (b->parsed.ptr && json.ptr && span_eq(b->parsed, json))
                return 0;
        arena_reset(b->memory);
        b->parsed = (struct span){ 0 };
        b->task.arguments = NULL;
        b->task.n_arguments = 0;
        if (!json.ptr)
                return 0;
        if (settings_from_json(json, b->memory, &list, &b->task.n_arguments, e) < 0)
                return -1;
        struct argument *arguments = arena_alloc(b->memory,
                                                 (b->task.n_arguments + 1) * sizeof *arguments);
        if (!arguments)
                return err_oom(e);
        for (size_t i = 0; i < b->task.n_arguments; i++)
                arguments[i] = (struct argument){ span_of(list[i].name), span_of(list[i].value) };
        b->task.arguments = arguments;
        b->parsed = json;
        return 0;
}

static void begin_row(struct request_batch *b)
{
        const struct request_row *a = &b->rows[b->row];
        b->ids = db_texts(b->arrays, (int)b->row, 0);
        b->subjects = db_texts(b->arrays, (int)b->row, 1);
        b->items = db_texts(b->arrays, (int)b->row, 2);
        b->arguments = db_texts(b->arrays, (int)b->row, 3);
        b->task.type = span_of(a->type);
        b->task.scheduled_at = a->at;
        b->task.dry_run = a->dry_run;
        b->task.actor = span_of(a->actor);
        b->begun = true;
}

/* Reads the row's next task into b->task; `ready` stays false when it has no more. */
static int next_task(struct request_batch *b, struct err *e)
{
        struct span id, arguments = { 0 };
        if (b->ready)
                return 0;
        if (!db_texts_next(&b->ids, &id) || !db_texts_next(&b->subjects, &b->task.subject))
                return 0;
        memcpy(b->task.task_id.b, id.ptr, sizeof b->task.task_id.b);
        if (!db_texts_next(&b->items, &b->task.item) || !b->task.item.ptr)
                b->task.item = SPAN_LIT("");
        (void)!db_texts_next(&b->arguments, &arguments);
        if (read_arguments(b, arguments, e) < 0)
                return -1;
        b->ready = true;
        return 0;
}

static void end_row(struct requests *q, struct request_batch *b)
{
        struct request_tracked *t = &q->slots[b->rows[b->row].slot];
        t->complete = true;
        q->n_published += t->unacked == 0;
        b->row++;
        b->begun = false;
        if (b->row == b->n) {
                request_batch_clear(b);
                q->more = true;
        }
}

/* Publishes a part of a batch. 0: nothing is left, or Kafka takes no more now; WORK_LEFT;
 * -1. */
static int publish_part(struct requests *q, struct publisher *p, struct request_batch *b,
                        struct err *e)
{
        for (int i = 0; b->arrays && i < PART_TASKS; i++) {
                const struct request_row *a = &b->rows[b->row];
                struct request_tracked *t = &q->slots[a->slot];
                if (!b->begun)
                        begin_row(b);
                int rc = next_task(b, e);
                if (rc < 0 && e->class == ERR_INPUT) {
                        log_error("a requested task cannot be published",
                                  "request_no=%lld error=" LOG_Q, (long long)a->request_no,
                                  e->text);
                        continue;
                }
                if (rc < 0)
                        return -1;
                if (!b->ready) {
                        end_row(q, b);
                        continue;
                }
                rc = publish_task(p, &b->task, a->lane, (uint64_t)t->id << 32 | a->slot, e);
                if (rc != PUBLISH_QUEUED)
                        return rc < 0 ? -1 : 0;
                b->ready = false;
                t->unacked++;
                FAILPOINT("requests.task");
        }
        return b->arrays ? WORK_LEFT : 0;
}

bool requests_acked(struct requests *q, uint64_t token)
{
        uint32_t slot = (uint32_t)token;
        struct request_tracked *t = slot < TRACKED_MAX ? &q->slots[slot] : NULL;
        if (!t || !t->id || t->id != token >> 32)
                return false;
        if (t->unacked == 0)
                return true;
        t->unacked--;
        if (t->unacked == 0 && t->complete)
                q->n_published++;
        return true;
}

static int record_published(struct requests *q, struct err *e)
{
        struct context *c = q->c;
        db_params_reset(q->params);
        db_array_begin(q->params, DB_INT8, q->n_published);
        for (size_t i = 0; i < TRACKED_MAX; i++)
                if (q->slots[i].id && q->slots[i].complete && q->slots[i].unacked == 0)
                        db_element_int(q->params, q->slots[i].request_no);
        db_array_end(q->params);
        db_add_str(q->params, c->cluster);
        FAILPOINT("requests.unnoted");
        if (db_exec(c->db, "begin", e) < 0 ||
            db_query(c->db, sql_requests_published, q->params, NULL, e) < 0)
                return -1;
        int rc = lease_commit(&c->lease, c->db, e);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < TRACKED_MAX; i++)
                if (q->slots[i].id && q->slots[i].complete && q->slots[i].unacked == 0) {
                        q->slots[i] = (struct request_tracked){ 0 };
                        q->n_tracked--;
                }
        q->n_published = 0;
        q->checkpoint_ms = monotonic_ms();
        q->settling.pause_ms = 0;
        q->more = true;
        return 0;
}

int requests_checkpoint(struct requests *q, struct err *e)
{
        return q->n_published ? record_published(q, e) : 0;
}

static bool is_checkpoint_due(const struct requests *q)
{
        return q->n_published && (monotonic_ms() - q->checkpoint_ms >= CHECKPOINT_MS ||
                                  q->n_published >= TRACKED_MAX / 2);
}

int requests_work(struct requests *q, struct err *e)
{
        const struct context *c = q->c;
        bool left = false;
        int rc = request_find(q, e);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < LANE_COUNT; i++) {
                int small = publish_part(q, c->prompt, &q->small[i], e);
                int large = small < 0 ? -1 : publish_part(q, c->publisher, &q->large[i], e);
                if (large < 0)
                        return -1;
                left = left || small == WORK_LEFT || large == WORK_LEFT;
        }
        publisher_poll(c->prompt, 0);
        if (is_checkpoint_due(q) && (rc = record_published(q, e)) != 0)
                return rc;
        return left || q->more ? WORK_LEFT : 0;
}
