/* SPDX-License-Identifier: Apache-2.0 */
/* One query for each chunk. */
#include "plan_chunk.h"

#include "scheduler_statements.h"

#include <stdio.h>
#include <stdlib.h>

/* What its first column has: see sql/_chunk_head.sql. */
enum head { HEAD_TYPE, HEAD_DRY_RUN, HEAD_LANE, HEAD_PARTITIONS, HEAD_COUNT };

static int read_head(struct context *c, struct plan_chunk *k, struct err *e)
{
        struct db_texts texts = db_texts(k->result, 0, 0);
        char head[HEAD_COUNT][sizeof k->lane] = { 0 };
        struct span text;
        for (size_t i = 0; i < HEAD_COUNT && db_texts_next(&texts, &text); i++)
                if (text.ptr)
                        snprintf(head[i], sizeof head[i], "%.*s", SPAN_FMT(text));
        k->type = type_by_number(c->types, (int)strtol(head[HEAD_TYPE], NULL, 10));
        k->dry_run = head[HEAD_DRY_RUN][0] == 't';
        k->partitions = (int)strtol(head[HEAD_PARTITIONS], NULL, 10);
        snprintf(k->lane, sizeof k->lane, "%s", head[HEAD_LANE]);
        return k->type ? 0
                       : err_set(e, ERR_FATAL, "",
                                 "a task type of its plan is not of this configuration");
}

int plan_chunk_load(struct context *c, int64_t run_no, int chunk, bool republished,
                    struct plan_chunk *ret, struct err *e)
{
        plan_chunk_unload(ret);
        db_params_reset(c->params);
        db_add_int8(c->params, run_no);
        db_add_int4(c->params, chunk);
        if (db_query_binary(c->db, republished ? sql_chunk_without_outcome : sql_chunk, c->params,
                            &ret->result, e) < 0)
                return -1;
        if (db_rows(ret->result) != 1)
                return err_set(e, ERR_FATAL, "", "chunk %d of its plan is missing", chunk);
        ret->subjects = db_texts(ret->result, 0, 1);
        ret->items = db_texts(ret->result, 0, 2);
        return read_head(c, ret, e);
}

void plan_chunk_unload(struct plan_chunk *k)
{
        db_result_free(k->result);
        *k = (struct plan_chunk){ 0 };
}

bool plan_chunk_next(struct plan_chunk *k, struct span *ret_subject, struct span *ret_item)
{
        if (!db_texts_next(&k->subjects, ret_subject))
                return false;
        if (!db_texts_next(&k->items, ret_item) || !ret_item->ptr)
                *ret_item = SPAN_LIT("");
        return true;
}
