/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A chunk of a plan, to be published. */
#include "context.h"

struct plan_chunk {
        struct db_result *result;        /* NULL: it is not loaded */
        struct db_texts subjects, items; /* that are left */
        const struct task_type *type;
        bool dry_run;
        /* for whose topic, of so many partitions, it was made; 0: for any */
        char lane[16];
        int partitions;
};

/* `republished`: without the rows that have no need of it any more. */
int plan_chunk_load(struct context *c, int64_t run_no, int chunk, bool republished,
                    struct plan_chunk *ret, struct err *e) MUST_CHECK;
void plan_chunk_unload(struct plan_chunk *k);
/* False: no row is left. The texts live until the chunk is unloaded. */
bool plan_chunk_next(struct plan_chunk *k, struct span *ret_subject, struct span *ret_item);
