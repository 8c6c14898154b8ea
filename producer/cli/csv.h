/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* RFC 4180 records from a stream, one at a time: quoted fields may hold commas, quotes and line
 * ends. Line ends are LF or CRLF; a UTF-8 byte order mark is skipped. Memory is one record. */
#include "base/err.h"

#include <stddef.h>
#include <stdio.h>

enum { CSV_RECORD_MAX = 1024 * 1024, CSV_FIELDS_MAX = 256 };

struct csv;

/* Reads from `f`, which stays the caller's. NULL: out of memory. */
struct csv *csv_new(FILE *f);
void csv_free(struct csv *c);
DEFINE_CLEANUP(csv_cleanup, struct csv, csv_free)

/* The next record: 1 with its fields (NUL-terminated, valid until the next call), 0 at the end. -1:
 * this record is malformed (e says how) and was skipped up to its line's end; the next call reads
 * the record after it. Empty lines are skipped. */
int csv_next(struct csv *c, const char *const **ret_fields, size_t *ret_n, struct err *e)
        MUST_CHECK;
size_t csv_line(const struct csv *c); /* the line on which the last record began, from 1 */
