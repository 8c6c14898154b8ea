/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What commands print: tables for people, JSON for programs. The only user of jansson in the tool's
 * folder besides those that include this. */
#include "cli.h"

#include <jansson.h>
#include <stdio.h>

/* Rows of cells, printed in columns. Control characters are replaced: what stands in a database
 * cannot drive the terminal. */
struct table {
        const char *const *heads; /* NULL-terminated */
        size_t columns, n, cap;   /* cells */
        char **cells;
        bool failed;
};

void table_init(struct table *t, const char *const *heads);
void table_deinit(struct table *t);
#define TABLE_CLEANUP CLEANUP(table_deinit)
void table_add(struct table *t, const char *cell); /* the next cell, row by row */
void table_addf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Words such as "succeeded" and "failed" are coloured when the terminal can. Columns that hold only
 * numbers stand right. */
void table_print(const struct cli *c, const struct table *t);

/* `word` with its colour around it when there is one: for single lines. Rotates over a few static
 * buffers. */
const char *word_colored(const struct cli *c, const char *word);
/* A title over a part of the output. */
void print_title(const struct cli *c, const char *title);
/* One line of text with control characters replaced. */
void print_clean(FILE *to, const char *text);

/* A row with each column under its name, typed by PostgreSQL's type. The second starts at column
 * `from`. NULL when out of memory. */
json_t *json_row(const struct db_result *r, int row);
json_t *json_rows(const struct db_result *r);
/* null when absent; invalid UTF-8 is never in a database of encoding UTF8, elsewhere it becomes
 * null */
json_t *json_span(struct span s);
json_t *json_instant(instant t); /* null for INSTANT_NONE */

/* Each prints and frees the value; a document is indented, a line is not and is flushed at once. */
int print_json(json_t *value);
int print_json_line(json_t *value);

/* "2026-11-21T06:00:00-03:00" in the zone, UTC when it is NULL; whole seconds; "" for INSTANT_NONE.
 */
void format_instant(const struct zone *z, instant t, char text[INSTANT_TEXT_MAX]);

/* A result as a table: `columns` says which of its columns stand under `heads`, which NULL ends.
 * Instants are shown in UTC, a boolean as "yes" or nothing. */
void rows_print(const struct cli *c, const char *const *heads, const int *columns,
                const struct db_result *r);
