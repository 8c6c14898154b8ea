/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Entries as column-major parameters (db/columns.h): columns that are not a field of the entry. */
#include "batch.h"
#include "db/columns.h"
#include "lane_partition.h"

/* Which entries, and what their columns need. */
struct entry_rows {
        const struct lane_partitions *partitions;
        bool (*wanted)(const struct entry *en); /* NULL: all */
        const struct retry_policy *retry;       /* for waits of records */
        bool oom;                               /* out: a value could not be made */
};

/* Adds an array for each column, of the batch's entries that are wanted. -1: out of memory. */
int entry_columns_add(struct db_params *p, const struct batch *b, struct entry_rows *rows,
                      const struct db_column *columns, size_t n, struct err *e) MUST_CHECK;
/* The same of list[0..n_list). */
int entry_columns_add_list(struct db_params *p, struct entry *const *list, size_t n_list,
                           struct entry_rows *rows, const struct db_column *columns, size_t n,
                           struct err *e) MUST_CHECK;

/* For DB_CALL: `row` is an entry, `ctx` the struct entry_rows. */
void entry_column_source_no(struct db_params *p, const void *row, void *ctx); /* int4 */
void entry_column_topic(struct db_params *p, const void *row, void *ctx);     /* text */
void entry_column_day(struct db_params *p, const void *row, void *ctx);       /* text */
void entry_column_run_no(struct db_params *p, const void *row, void *ctx);    /* int8; 0: ad-hoc */
/* int2: the outcome, or that it waits */
void entry_column_outcome(struct db_params *p, const void *row, void *ctx);
/* uuid, text, text: of ad-hoc tasks; else NULL */
void entry_column_adhoc_id(struct db_params *p, const void *row, void *ctx);
void entry_column_adhoc_actor(struct db_params *p, const void *row, void *ctx);
void entry_column_adhoc_arguments(struct db_params *p, const void *row, void *ctx);
/* text: "3", quarantined, when it is replaced; else NULL */
void entry_column_replaces(struct db_params *p, const void *row, void *ctx);
