/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A statement described by PostgreSQL, and its columns against what is expected of them. */
#include "finding.h"

struct statement {        /* one to be prepared */
        const char *what; /* "due", "statement" … */
        const struct pack *pack;
        const struct sql_file *file;
        const char *text; /* as PostgreSQL gets it */
};

/* The result's columns (the caller frees), or NULL after a finding. Never run. */
struct db_result *check_describe(struct check *k, struct db *d, const struct statement *s);

struct wanted {
        const char *name;
        bool (*fits)(const char *type);
        const char *expected; /* as a person reads it */
        bool required;
};

/* What `fits` may be, by the name of PostgreSQL's type. */
bool column_is_text(const char *type);
bool column_is_texts(const char *type);
bool column_is_json(const char *type);
bool column_is_number(const char *type);
bool column_is_bool(const char *type);
bool column_is_body(const char *type);
bool column_is_any(const char *type);

/* Each is false after findings; `r` is the statement's description. */
bool check_columns(struct check *k, const struct statement *s, const struct db_result *r,
                   const struct wanted *list, size_t n);
bool check_subject(struct check *k, const struct statement *s, const struct db_result *r,
                   enum value_type type);
/* No column stands twice. */
bool check_doubled(struct check *k, const struct statement *s, const struct db_result *r);
