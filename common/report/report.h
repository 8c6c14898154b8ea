/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reports: a pack's statement returns one JSON document, which is rendered as JSON, CSV or a table
 * for people. Rendering is pure.
 */
#include "db/db.h"
#include "pack/pack.h"
#include "pack/statement.h"

const char *report_format_name(enum report_format f); /* "table", "json", "csv" */
bool report_format_parse(const char *name, enum report_format *ret);

/* Runs the report's statement in a read-only transaction of its own with the pack's search_path;
 * the document's text is written to `fd`, piece by piece: it may be larger than memory. */
int report_query(struct db *d, const struct report *r, const struct run_values *v, int fd,
                 struct err *e) MUST_CHECK;
/* A file without a name for such a document, in `folder` (NULL: where temporary files go). */
int report_spool(const char *folder, int *ret_fd, struct err *e) MUST_CHECK;

/* A JSON document (object or array of objects) as a table, CSV (RFC 4180, cells that a spreadsheet
 * would take for a formula are quoted with ') or indented JSON. Key order and every digit are kept.
 * docs/packs.md says how nested values are laid out. */
int report_render(const char *title, struct span json, enum report_format f, struct buf *out,
                  struct err *e) MUST_CHECK;
/* The same from file to file, with memory for a row. */
int report_render_file(const char *title, int document, enum report_format f, int fd, struct err *e)
        MUST_CHECK;

/* A file that appears under its name when it is whole: written under a temporary one, fsynced,
 * renamed. `path` is made under `folder`; parents are made; a path that leaves the folder is
 * refused. */
struct report_file;
int report_create(const char *folder, const char *path, struct report_file **ret, struct err *e)
        MUST_CHECK;
int report_fd(const struct report_file *f);
/* `of` (may be NULL): whose file it is. One that somebody else has written under this name stays:
 * ours gets a name of its own. `ret_path` (may be NULL) gets the full path, to be freed. */
struct report_owner {
        struct uuid run;
        instant at;
};
int report_commit(struct report_file *f, const struct report_owner *of, char **ret_path,
                  struct err *e) MUST_CHECK;
void report_file_free(struct report_file *f); /* what was not committed is gone */
DEFINE_CLEANUP(report_file_cleanup, struct report_file, report_file_free)

/* All at once. */
int report_save(const char *folder, const char *path, struct span content, char **ret_path,
                struct err *e) MUST_CHECK;
