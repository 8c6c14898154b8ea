/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services' intake topics: what they request, checked (intake.c), becomes rows of
 * rollcall.request in the transaction that moves the position, so each request is taken exactly
 * once; the scheduler publishes the tasks. What is refused is answered on the results topic and
 * kept as a dead letter. A service that is over its limits waits, partition by partition; no
 * other does.
 */
#include "take_intake.h"

#include "decide.h"
#include "decode.h"
#include "task_params.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "intake.h"
#include "worker_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        ROW_TASKS_MAX = 10000,
        ROW_BYTES_MAX = 3 * 1024 * 1024,
        FIELD_BYTES = 64,
        REGISTRY_WAIT_MS = 5000
};

static bool fits_row_of(const struct entry *first, const struct entry *en,
                        const struct lane_partition *list)
{
        return en->type == first->type && en->dry_run == first->dry_run &&
               list[en->partition].at.topic == list[first->partition].at.topic;
}

static size_t bytes_of(const struct entry *en)
{
        size_t n = FIELD_BYTES + en->task.subject.len + en->task.item.len;
        for (size_t i = 0; i < en->task.n_arguments; i++)
                n += FIELD_BYTES + en->task.arguments[i].name.len + en->task.arguments[i].value.len;
        return n;
}

/* Takes filed entries like the first one that is left, up to what a row holds, out of `left`. */
static size_t take_row(struct lane_worker *w, struct entry **left, size_t *n_left,
                       struct entry **row)
{
        size_t n = 0, kept = 0, bytes = 0;
        for (size_t i = 0; i < *n_left; i++) {
                struct entry *en = left[i];
                bool fits = n == 0 || (fits_row_of(row[0], en, w->partitions.list) &&
                                       n < ROW_TASKS_MAX && bytes + bytes_of(en) <= ROW_BYTES_MAX);
                if (fits) {
                        row[n++] = en;
                        bytes += bytes_of(en);
                } else {
                        left[kept++] = en;
                }
        }
        *n_left = kept;
        return n;
}

static int write_row(struct lane_worker *w, struct entry **row, size_t n, struct err *e)
{
        struct db_params *q = w->transactor.params;
        db_params_reset(q);
        db_add_text(q, row[0]->task.actor);
        db_add_text(q, row[0]->task.type);
        db_add_int4(q, row[0]->type_no);
        db_add_bool(q, row[0]->dry_run);
        db_array_begin(q, DB_UUID, n);
        for (size_t i = 0; i < n; i++)
                db_element_uuid(q, &row[i]->task.task_id);
        db_array_end(q);
        for (int column = 0; column < 2; column++) {
                db_array_begin(q, DB_TEXT, n);
                for (size_t i = 0; i < n; i++) {
                        struct span s = column ? row[i]->task.item : row[i]->task.subject;
                        db_element_text(q, s.ptr ? s : SPAN_LIT(""));
                }
                db_array_end(q);
        }
        db_array_begin(q, DB_TEXT, n);
        for (size_t i = 0; i < n; i++)
                if (task_params_arguments(&row[i]->task, q, e) < 0)
                        return -1;
        db_array_end(q);
        return db_query(w->db, sql_request_add, q, NULL, e);
}

static int write_requests(void *ctx, struct batch *b, struct err *e)
{
        struct lane_worker *w = ctx;
        size_t n_left = 0;
        struct entry **left = NULL, **row = NULL;
        if (batch_list(b, ENTRY_FILED, &left, &n_left, e) < 0)
                return -1;
        row = arena_alloc(b->arena, (n_left + 1) * sizeof(struct entry *));
        if (!row)
                return err_oom(e);
        while (n_left > 0) {
                size_t n = take_row(w, left, &n_left, row);
                if (write_row(w, row, n, e) < 0)
                        return -1;
        }
        return 0;
}

/* ---- limits ---- */

struct grant { /* by intake */
        size_t wanted, left;
        int wait_ms;
};

static const char GRANT[] =
        "select granted, wait_ms from rollcall.intake_grant($1, $2, $3, $4, $5)";

static void grant_params(const struct service *s, const struct grant *g, size_t n,
                         struct db_params *q)
{
        static const enum db_type types[] = { DB_TEXT, DB_INT8, DB_INT8, DB_INT8, DB_INT8 };
        db_params_reset(q);
        for (size_t column = 0; column < ARRAY_LEN(types); column++) {
                db_array_begin(q, types[column], n);
                for (size_t i = 0; i < s->n_intakes; i++) {
                        const struct service_intake *x = &s->intakes[i];
                        const int64_t numbers[] = { 0, (int64_t)g[i].wanted, x->rate, x->burst,
                                                    x->open_max };
                        if (g[i].wanted && column == 0)
                                db_element_text(q, span_of(x->service));
                        else if (g[i].wanted)
                                db_element_int(q, numbers[column]);
                }
                db_array_end(q);
        }
}

/* How many of the messages each service may have taken now. */
static int get_grants(struct lane_worker *w, const struct kafka_message *list, size_t n,
                      struct grant *g, struct err *e)
{
        const struct service *s = w->o->service;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        size_t services = 0;
        int row = 0;
        for (size_t i = 0; i < n; i++) {
                const struct service_intake *x = intake_of(s, list[i].topic);
                if (x)
                        services += g[x - s->intakes].wanted++ == 0;
        }
        grant_params(s, g, services, w->transactor.params);
        if (db_query(w->db, GRANT, w->transactor.params, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < s->n_intakes && row < db_rows(r); i++) {
                if (!g[i].wanted)
                        continue;
                g[i].left = (size_t)db_int(r, row, 0);
                g[i].wait_ms = (int)db_int(r, row, 1);
                row++;
        }
        return 0;
}

/* The partition resumes later, with the message that was not taken. */
static int pause_partition(struct lane_worker *w, int index, int wait_ms, struct err *e)
{
        struct lane_partition *s = &w->partitions.list[index];
        if (kafka_pause_partition(w->membership.consumer, s->at.topic, s->at.partition, true, e) <
            0)
                return -1;
        if (kafka_seek(w->membership.consumer, s->at.topic, s->at.partition, s->taken, e) < 0)
                return strcmp(e->code, "_STATE") == 0 ? 0 : -1; /* it has been revoked */
        s->resume_ms = monotonic_ms() + wait_ms;
        return 0;
}

int take_intake_resume(struct lane_worker *w, struct err *e)
{
        int64_t now = monotonic_ms();
        for (size_t i = 0; i < w->partitions.n; i++) {
                struct lane_partition *x = &w->partitions.list[i];
                if (!x->resume_ms || now < x->resume_ms)
                        continue;
                x->resume_ms = 0;
                if (kafka_pause_partition(w->membership.consumer, x->at.topic, x->at.partition,
                                          false, e) < 0)
                        return -1;
        }
        return 0;
}

/* ---- a batch ---- */

/* A refused request has two entries: its answer, if it can have one, and the dead letter. */
static int add_entry(struct lane_worker *w, const struct kafka_message *m, int index,
                     const struct service_intake *from, struct err *e)
{
        struct batch *b = &w->batch;
        struct lane_partition *s = &w->partitions.list[index];
        struct entry *en = &b->entries[b->n++];
        struct intake_headers h;
        *en = (struct entry){ .partition = index,
                              .epoch = s->at.epoch,
                              .offset = m->offset,
                              .key = m->key,
                              .value = m->value };
        if (m->unreadable) {
                en->sequence = ++s->sequence;
                decode_unreadable(w, en, m);
                return 0;
        }
        intake_headers_read(m, &h);
        if (intake_admit(en, &h, from, w->codec, w->o->packs, w->types, b->arena, e) < 0)
                return -1;
        if (en->state == ENTRY_FILED)
                return 0;
        en->sequence = ++s->sequence;
        if (en->state == ENTRY_DEAD)
                return 0;
        struct entry *letter = &b->entries[b->n++];
        *letter = *en;
        letter->sequence = ++s->sequence;
        entry_dead_letter(letter, en->reason);
        return 0;
}

static bool is_consumed(struct lane_worker *w, int index, const struct kafka_message *m)
{
        const struct lane_partition *x = lane_worker_consumed(w, index);
        return x && !x->resume_ms && m->offset >= x->taken;
}

/* Is the message written with a schema that only the registry knows, which is unavailable? */
static bool needs_registry(struct lane_worker *w, const struct kafka_message *m)
{
        struct err e = ERR_INIT;
        uint32_t id;
        if (!codec_wants_id(w->codec, m->value, &id) || schema_ids_ask(w->schema_ids, id, &e) == 0)
                return false;
        err_prefix(&e, "%s/%d: schema registry", m->topic, (int)m->partition);
        lane_worker_log_trouble(w, &e);
        return true;
}

/* Takes messages until a batch is full; the first of a partition that its service's limits do not
 * let through, and what comes after it, waits. */
static int fill(struct lane_worker *w, const struct kafka_message *list, size_t n, struct grant *g,
                size_t *ret_taken, struct err *e)
{
        const struct service *s = w->o->service;
        size_t i = 0, bytes = 0;
        batch_reset(&w->batch);
        w->batch.entries = arena_alloc(w->batch.arena, (2 * n + 1) * sizeof *w->batch.entries);
        if (!w->batch.entries)
                return err_oom(e);
        for (; i < n &&
               (bytes == 0 || bytes + list[i].value.len <= (size_t)s->worker.batch_max_bytes);
             i++) {
                int index = lane_worker_partition_index(w, list[i].topic, list[i].partition);
                const struct service_intake *from = intake_of(s, list[i].topic);
                if (!from || !is_consumed(w, index, &list[i]))
                        continue;
                struct grant *x = &g[from - s->intakes];
                if (x->left > 0 && needs_registry(w, &list[i])) {
                        if (pause_partition(w, index, REGISTRY_WAIT_MS, e) < 0)
                                return -1;
                        continue;
                }
                if (x->left == 0) {
                        if (pause_partition(w, index, x->wait_ms, e) < 0)
                                return -1;
                        continue;
                }
                x->left--;
                bytes += list[i].value.len + 1;
                w->partitions.list[index].taken = list[i].offset + 1;
                w->partitions.list[index].taken_digest = kafka_message_digest(&list[i]);
                if (add_entry(w, &list[i], index, from, e) < 0)
                        return -1;
        }
        *ret_taken = i;
        return 0;
}

int take_intake(struct lane_worker *w, struct kafka_message *list, size_t n, struct err *e)
{
        struct grant *g CLEANUP(cleanup_free) = calloc(w->o->service->n_intakes + 1, sizeof *g);
        if (!g)
                return err_oom(e);
        if (get_grants(w, list, n, g, e) < 0)
                return -1;
        for (size_t from = 0, taken = 0; from < n; from += taken) {
                if (fill(w, list + from, n - from, g, &taken, e) < 0)
                        return -1;
                if (w->batch.n == 0)
                        continue;
                int rc = decide_batch(&w->transactor, &w->batch, e);
                if (rc != 0)
                        return rc;
                FAILPOINT("intake.committed");
                if (outbox_publish(&w->outbox, &w->batch, e) < 0)
                        return -1;
        }
        return 0;
}

int take_intake_open(struct lane_worker *w, struct err *e)
{
        w->transactor.also = write_requests;
        w->transactor.also_ctx = w;
        return schema_ids_new(w->o->service, w->codec, &w->schema_ids, e);
}
