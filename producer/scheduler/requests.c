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

static int read_arguments(struct request_hand *h, struct span json, struct err *e)
{
        struct setting_value *list = NULL;
        if (h->parsed.ptr && json.ptr && span_eq(h->parsed, json))
                return 0;
        arena_reset(h->memory);
        h->parsed = (struct span){ 0 };
        h->task.arguments = NULL;
        h->task.n_arguments = 0;
        if (!json.ptr)
                return 0;
        if (settings_from_json(json, h->memory, &list, &h->task.n_arguments, e) < 0)
                return -1;
        struct argument *arguments = arena_alloc(h->memory,
                                                 (h->task.n_arguments + 1) * sizeof *arguments);
        if (!arguments)
                return err_oom(e);
        for (size_t i = 0; i < h->task.n_arguments; i++)
                arguments[i] = (struct argument){ span_of(list[i].name), span_of(list[i].value) };
        h->task.arguments = arguments;
        h->parsed = json;
        return 0;
}

static void begin_row(struct request_hand *h)
{
        const struct request_row *a = &h->rows[h->row];
        h->ids = db_texts(h->arrays, (int)h->row, 0);
        h->subjects = db_texts(h->arrays, (int)h->row, 1);
        h->items = db_texts(h->arrays, (int)h->row, 2);
        h->arguments = db_texts(h->arrays, (int)h->row, 3);
        h->task.type = span_of(a->type);
        h->task.scheduled_at = a->at;
        h->task.dry_run = a->dry_run;
        h->task.actor = span_of(a->actor);
        h->begun = true;
}

/* Reads the row's next task into h->task; `ready` stays false when it has no more. */
static int next_task(struct request_hand *h, struct err *e)
{
        struct span id, arguments = { 0 };
        if (h->ready)
                return 0;
        if (!db_texts_next(&h->ids, &id) || !db_texts_next(&h->subjects, &h->task.subject))
                return 0;
        memcpy(h->task.task_id.b, id.ptr, sizeof h->task.task_id.b);
        if (!db_texts_next(&h->items, &h->task.item) || !h->task.item.ptr)
                h->task.item = SPAN_LIT("");
        (void)!db_texts_next(&h->arguments, &arguments);
        if (read_arguments(h, arguments, e) < 0)
                return -1;
        h->ready = true;
        return 0;
}

static void end_row(struct requests *q, struct request_hand *h)
{
        struct request_tracked *t = &q->slots[h->rows[h->row].slot];
        t->complete = true;
        q->n_published += t->unacked == 0;
        h->row++;
        h->begun = false;
        if (h->row == h->n) {
                request_hand_empty(h);
                q->more = true;
        }
}

/* Publishes a part of what is in hand. 0: nothing is left, or Kafka takes no more now; WORK_LEFT;
 * -1. */
static int publish_part(struct requests *q, struct publisher *p, struct request_hand *h,
                        struct err *e)
{
        for (int i = 0; h->arrays && i < PART_TASKS; i++) {
                const struct request_row *a = &h->rows[h->row];
                struct request_tracked *t = &q->slots[a->slot];
                if (!h->begun)
                        begin_row(h);
                int rc = next_task(h, e);
                if (rc < 0 && e->class == ERR_INPUT) {
                        log_error("a requested task cannot be published",
                                  "request_no=%lld error=" LOG_Q, (long long)a->request_no,
                                  e->text);
                        continue;
                }
                if (rc < 0)
                        return -1;
                if (!h->ready) {
                        end_row(q, h);
                        continue;
                }
                rc = publish_task(p, &h->task, a->lane, (uint64_t)t->id << 32 | a->slot, e);
                if (rc != PUBLISH_QUEUED)
                        return rc < 0 ? -1 : 0;
                h->ready = false;
                t->unacked++;
                FAILPOINT("requests.task");
        }
        return h->arrays ? WORK_LEFT : 0;
}

bool requests_acked(struct requests *q, uint64_t token)
{
        uint32_t slot = (uint32_t)token;
        struct request_tracked *t = slot < TRACKED_MAX ? &q->slots[slot] : NULL;
        if (!t || !t->id || t->id != token >> 32)
                return false;
        if (t->unacked > 0 && --t->unacked == 0 && t->complete)
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
