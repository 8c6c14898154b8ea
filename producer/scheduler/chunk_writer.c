/* SPDX-License-Identifier: Apache-2.0 */
/* A task's partition is that of its subject in its lane's topic, as publishing finds it. */
#include "chunk_writer.h"

#include "kafka/kafka.h"
#include "scheduler_statements.h"

enum { ROWS_MAX = 200 * 1000, BYTES_MAX = 4 * 1024 * 1024 };

static int partitions_of(const struct chunk_writer *w)
{
        return w->p->o->partitions[w->task->type->lane];
}

int chunk_writer_init(struct chunk_writer *w, struct planning *p, const struct job_task *t,
                      struct err *e)
{
        const struct bucket_limits limits = { .chunk = (size_t)p->o->service->scheduler.chunk,
                                              .rows = ROWS_MAX,
                                              .bytes = BYTES_MAX };
        *w = (struct chunk_writer){ .p = p, .task = t };
        int partitions = partitions_of(w);
        return db_prepare(p->db, "plan_insert", sql_plan_insert, e) < 0 ||
                               buckets_new(partitions ? partitions : 1, &limits, &w->buckets, e) < 0
                       ? -1
                       : 0;
}

void chunk_writer_deinit(struct chunk_writer *w)
{
        buckets_free(w->buckets);
        w->buckets = NULL;
}

static void add_texts(struct chunk_writer *w, int bucket, bool items)
{
        struct bucket_walk walk = { 0 };
        struct span subject, item;
        db_array_begin(w->p->params, DB_TEXT, buckets_rows(w->buckets, bucket));
        while (buckets_walk(w->buckets, bucket, &walk, &subject, &item))
                db_element_text(w->p->params, items ? item : subject);
        db_array_end(w->p->params);
}

static int queue_chunk(struct chunk_writer *w, int bucket, struct err *e)
{
        struct planning *p = w->p;
        struct db_params *q = p->params;
        int partitions = partitions_of(w);
        db_params_reset(q);
        db_add_int8(q, p->run->run_no);
        db_add_int4(q, p->chunk++);
        db_add_int4(q, type_number(p->o->types, w->task->type));
        db_add_bool(q, w->task->dry_run);
        add_texts(w, bucket, false);
        if (buckets_have_items(w->buckets, bucket))
                add_texts(w, bucket, true);
        else
                db_add_null(q);
        if (partitions) {
                db_add_str(q, lane_name(w->task->type->lane));
                db_add_int4(q, bucket);
                db_add_int4(q, partitions);
        } else {
                for (int i = 0; i < 3; i++)
                        db_add_null(q);
                p->by_task = true;
        }
        buckets_empty(w->buckets, bucket);
        w->queued++;
        return db_pipeline_run(p->db, "plan_insert", q, e) < 0 || db_pipeline_sync(p->db, e) < 0
                       ? -1
                       : 0;
}

static void count(struct chunk_writer *w, struct span subject, struct span item)
{
        struct planning *p = w->p;
        struct span type = span_of(w->task->type->full_name);
        uuid_digest_add(&p->digest, task_id_of(p->run->run_id, type, subject, item));
        p->planned++;
}

int chunk_writer_add(struct chunk_writer *w, struct span subject, struct span item, struct err *e)
{
        int partitions = partitions_of(w), full = -1;
        int bucket = partitions ? kafka_partition_of(subject, partitions) : 0;
        count(w, subject, item);
        if (buckets_add(w->buckets, bucket, subject, item, &full, e) < 0)
                return -1;
        return full < 0 ? 0 : queue_chunk(w, full, e);
}

int chunk_writer_end(struct chunk_writer *w, struct err *e)
{
        for (int i = buckets_next(w->buckets, 0); i >= 0; i = buckets_next(w->buckets, i + 1))
                if (queue_chunk(w, i, e) < 0)
                        return -1;
        return 0;
}

int chunk_writer_collect(struct chunk_writer *w, struct err *e)
{
        for (; w->queued > 0; w->queued--)
                if (db_pipeline_result(w->p->db, NULL, e) < 0 ||
                    db_pipeline_finish_sync(w->p->db, e) < 0)
                        return err_prefix(e, "the plan of %s", w->task->type->full_name);
        return 0;
}
