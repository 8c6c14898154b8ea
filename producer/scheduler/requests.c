/*
 * Requested tasks (rollcall.request, kind 'tasks') are published at once: small requests before
 * large ones, each lane by itself, so that neither a large request nor a lane that takes no more
 * delays the others. A row is published when all its tasks are acknowledged; what a crash leaves in
 * between is published again, with the same ids.
 */
#include "requests.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        PART_TASKS = 1000,
        NOTE_MS = 50,
        PARAMS_MAX = 256 * 1024,
        ARGUMENTS_MEMORY = 2 * 1024 * 1024,
};

struct requests *requests_new(void)
{
        struct requests *q = calloc(1, sizeof *q);
        if (!q)
                return NULL;
        q->params = db_params_new(PARAMS_MAX);
        for (size_t i = 0; i < LANE_COUNT; i++) {
                q->small[i].memory = arena_new(ARGUMENTS_MEMORY);
                q->large[i].memory = arena_new(ARGUMENTS_MEMORY);
                if (!q->small[i].memory || !q->large[i].memory || !q->params) {
                        requests_free(q);
                        return NULL;
                }
        }
        return q;
}

static void hand_empty(struct hand *h)
{
        for (size_t i = 0; i < h->n; i++)
                free(h->rows[i].actor);
        free(h->rows);
        db_result_free(h->arrays);
        arena_reset(h->memory);
        *h = (struct hand){ .memory = h->memory };
}

void requests_reset_hands(struct requests *q)
{
        for (size_t i = 0; i < LANE_COUNT; i++) {
                if (q->small[i].memory)
                        hand_empty(&q->small[i]);
                if (q->large[i].memory)
                        hand_empty(&q->large[i]);
        }
        memset(q->slots, 0, sizeof q->slots);
        q->n_tracked = q->n_published = 0;
        q->look = true;
        q->compared = false;
}

void requests_free(struct requests *q)
{
        if (!q)
                return;
        requests_reset_hands(q);
        for (size_t i = 0; i < LANE_COUNT; i++) {
                arena_free(q->small[i].memory);
                arena_free(q->large[i].memory);
        }
        db_params_free(q->params);
        free(q);
}

void requests_reset(struct scheduler *s)
{
        requests_reset_hands(s->requests);
}

void requests_notified(struct requests *q)
{
        q->look = true;
}

bool requests_waiting(const struct requests *q)
{
        return q->n_tracked > 0;
}

/* ---- publishing ---- */

static int read_arguments(struct hand *h, struct span json, struct err *e)
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

static void begin_row(struct hand *h)
{
        const struct asked *a = &h->rows[h->row];
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

/* 1 the row's next task is in h->task, 0 the row has no more, -1 error. */
static int next_task(struct hand *h, struct err *e)
{
        struct span id, arguments = { 0 };
        if (!db_texts_next(&h->ids, &id) || !db_texts_next(&h->subjects, &h->task.subject))
                return 0;
        memcpy(h->task.task_id.b, id.ptr, sizeof h->task.task_id.b);
        if (!db_texts_next(&h->items, &h->task.item) || !h->task.item.ptr)
                h->task.item = SPAN_LIT("");
        (void)!db_texts_next(&h->arguments, &arguments);
        return read_arguments(h, arguments, e) < 0 ? -1 : 1;
}

static void end_row(struct requests *q, struct hand *h)
{
        struct tracked *t = &q->slots[h->rows[h->row].slot];
        t->whole = true;
        q->n_published += t->waiting == 0;
        h->row++;
        h->begun = false;
        if (h->row == h->n) {
                hand_empty(h);
                q->look = true;
        }
}

/* Publishes a part of what is in hand. 1 there is more, 0 nothing left or held back, -1 error. */
static int publish_part(struct scheduler *s, struct publisher *p, struct hand *h, struct err *e)
{
        for (int i = 0; h->arrays && i < PART_TASKS; i++) {
                const struct asked *a = &h->rows[h->row];
                struct tracked *t = &s->requests->slots[a->slot];
                if (!h->begun)
                        begin_row(h);
                int rc = h->ready ? 1 : next_task(h, e);
                if (rc < 0 && e->class == ERR_INPUT) {
                        log_error("a requested task cannot be published",
                                  "request_no=%lld error=" LOG_Q, (long long)a->request_no,
                                  e->text);
                        continue;
                }
                if (rc < 0)
                        return -1;
                if (rc == 0) {
                        end_row(s->requests, h);
                        continue;
                }
                h->ready = true;
                rc = publish_task(p, &h->task, a->lane, (uint64_t)t->id << 32 | a->slot, e);
                if (rc != PUBLISH_QUEUED)
                        return rc < 0 ? -1 : 0;
                h->ready = false;
                t->waiting++;
                FAILPOINT("requests.task");
        }
        return h->arrays != NULL;
}

bool requests_acked(struct scheduler *s, uint64_t token)
{
        struct requests *q = s->requests;
        uint32_t slot = (uint32_t)token;
        struct tracked *t = slot < TRACKED_MAX ? &q->slots[slot] : NULL;
        if (!t || !t->id || t->id != token >> 32)
                return false;
        if (t->waiting > 0 && --t->waiting == 0 && t->whole)
                q->n_published++;
        return true;
}

static int note(struct scheduler *s, struct err *e)
{
        struct requests *q = s->requests;
        db_params_reset(q->params);
        db_array_begin(q->params, DB_INT8, q->n_published);
        for (size_t i = 0; i < TRACKED_MAX; i++)
                if (q->slots[i].id && q->slots[i].whole && q->slots[i].waiting == 0)
                        db_element_int(q->params, q->slots[i].request_no);
        db_array_end(q->params);
        db_add_str(q->params, s->cluster);
        FAILPOINT("requests.unnoted");
        if (db_exec(s->db, "begin", e) < 0 ||
            db_query(s->db, sql_requests_published, q->params, NULL, e) < 0)
                return -1;
        int rc = scheduler_commit(s, e);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < TRACKED_MAX; i++)
                if (q->slots[i].id && q->slots[i].whole && q->slots[i].waiting == 0) {
                        q->slots[i] = (struct tracked){ 0 };
                        q->n_tracked--;
                }
        q->n_published = 0;
        q->noted_ms = monotonic_ms();
        q->settle_pause_ms = 0;
        q->look = true;
        return 0;
}

int requests_note_all(struct scheduler *s, struct err *e)
{
        return s->requests->n_published ? note(s, e) : 0;
}

int requests_work(struct scheduler *s, struct err *e)
{
        struct requests *q = s->requests;
        int more = 0, rc = requests_look(s, e);
        for (size_t i = 0; rc == 0 && i < LANE_COUNT; i++) {
                int small = publish_part(s, s->prompt, &q->small[i], e);
                int large = small < 0 ? -1 : publish_part(s, s->publisher, &q->large[i], e);
                if (large < 0)
                        return -1;
                more |= small | large;
        }
        if (rc == 0)
                publisher_poll(s->prompt, 0);
        if (rc == 0 && q->n_published &&
            (monotonic_ms() - q->noted_ms >= NOTE_MS || q->n_published >= TRACKED_MAX / 2))
                rc = note(s, e);
        return rc ? (rc < 0 ? -1 : 2) : more || q->look;
}
