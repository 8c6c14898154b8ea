/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A CSV file as requests for tasks, one per row, in memory that does not grow with the file: it is
 * read once for its hash, and then from its beginning as often as needed. A task's id follows from
 * hash and row.
 */
#include "csv.h"
#include "task_request.h"

struct csv_tasks {
        struct cli *cli;
        const struct task_type *type;
        const char *const *fixed; /* values for rows without their own; NULL: none */
        bool dry_run;
        const char *label; /* the same file requested once more, under this label; NULL: not */
        FILE *stream;
        struct csv *reader;
        struct uuid space; /* of the task ids */
        int subject, item; /* columns; item -1: none */
        int *columns;      /* of the arguments; -1: none */
        size_t n_columns, row;
        const char **values;
};

/* Opens `path` ("-": standard input). `f` has type, fixed, dry_run and label. 0, or an exit code
 * after saying why; `f` is to be closed either way. */
int csv_tasks_open(struct csv_tasks *f, const char *path) MUST_CHECK;
void csv_tasks_close(struct csv_tasks *f);

/* To the first row. 0, or an exit code after saying why. */
int csv_tasks_begin(struct csv_tasks *f) MUST_CHECK;

enum csv_row { CSV_ROW_END, CSV_ROW_TASK, CSV_ROW_BAD };
/* The next row as a checked request, which the next call overwrites; `e` says what is bad. */
enum csv_row csv_tasks_next(struct csv_tasks *f, struct task_request *ret, struct err *e)
        MUST_CHECK;
size_t csv_tasks_line(const struct csv_tasks *f); /* of the last row */
