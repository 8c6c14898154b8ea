#pragma once
/*
 * Reports: a pack's statement returns one JSON document, which is rendered as JSON, CSV or a table for people. Rendering is pure.
 */
#include "db/db.h"
#include "pack/pack.h"
#include "pack/statement.h"

const char *report_format_name(enum report_format f); /* "table", "json", "csv" */
int report_format_parse(const char *name, enum report_format *ret);

/* Runs the report's statement in a read-only transaction of its own with the pack's search_path; the document's text goes to `json`. */
int report_query(struct db *d, const struct report *r, const struct run_values *v, struct buf *json, struct err *e) MUST_CHECK;

/* A JSON document (object or array of objects) as a table, CSV (RFC 4180, cells that a spreadsheet would take for a formula are quoted with ') or
 * indented JSON. Key order is kept. docs/packs.md says how nested values are laid out. */
int report_render(const char *title, struct span json, enum report_format f, struct buf *out, struct err *e) MUST_CHECK;

/* Writes by a temporary file and rename, fsynced: the old file stays whole until the new one is complete. `path` is made under `folder`; parents
 * are made; a path that leaves the folder is refused. `ret_path` (may be NULL) gets the full path, to be freed. */
int report_save(const char *folder, const char *path, struct span content, char **ret_path, struct err *e) MUST_CHECK;
