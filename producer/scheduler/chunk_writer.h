/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The chunks of one task type: rows come in any order, and each chunk gets those of one partition.
 * Chunks are queued in the session's pipeline, behind what the caller has queued. */
#include "buckets.h"
#include "planning.h"

struct chunk_writer {
        struct planning *p;
        const struct job_task *task;
        struct buckets *buckets; /* one for each partition; one: the partitions are not known */
        int queued;              /* chunks whose results have not been taken */
};

/* Outside of the pipeline. */
int chunk_writer_init(struct chunk_writer *w, struct planning *p, const struct job_task *t,
                      struct err *e) MUST_CHECK;
void chunk_writer_deinit(struct chunk_writer *w);

/* Counts the row, and adds it to a chunk. */
int chunk_writer_add(struct chunk_writer *w, struct span subject, struct span item, struct err *e)
        MUST_CHECK;
/* Queues what is left. */
int chunk_writer_end(struct chunk_writer *w, struct err *e) MUST_CHECK;
/* Takes the results of the chunks that were queued until now. */
int chunk_writer_collect(struct chunk_writer *w, struct err *e) MUST_CHECK;
