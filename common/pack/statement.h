/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From a pack's files to statements that PostgreSQL prepares. `:name` in a file stands for a value
 * given by the engine or declared in the pack; it becomes a numbered parameter with a cast. Texts,
 * comments, dollar quotes and `::casts` are left alone. Engine's names: :now (timestamptz, the
 * run's instant), :today (date of :now in the pack's zone), :time_zone (text), :actor (text),
 * :run_id (uuid, NULL for ad-hoc), :dry_run (boolean).
 */
#include "base/arena.h"
#include "db/db.h"
#include "pack/pack.h"

struct run_values {  /* what the engine's names and the settings stand for */
        instant now; /* INSTANT_NONE: the transaction's, with sql_bind_own_time */
        struct uuid run_id;
        const char *actor;
        bool dry_run;
        const struct pack *pack;
        /* complete: every declared setting of the pack, see settings_resolve */
        const struct setting_value *settings;
        size_t n_settings;
        const char *subject;                    /* :subject of a command's lookup; NULL otherwise */
        const struct setting_value *parameters; /* of a report; NULL: none */
        size_t n_parameters;
};

/* A statement's text with $n, and which value each $n above `first` is. */
struct bound_sql {
        char *text;
        /* names[i] is $(first + i) ; points into the declarations or static text */
        const char **names;
        size_t n_names;
        int first;
};

/* Rewrites `f` with parameters numbered from `first`. `extra`: declared names beyond the pack's
 * settings (a report's parameters). ERR_FATAL "FILE:LINE: :name is neither …" for an unknown name.
 */
int sql_bind(const struct sql_file *f, const struct pack *p, const struct parameter *extra,
             size_t n_extra, int first, struct bound_sql *ret, struct err *e) MUST_CHECK;
/* The same, and where run_values.now is INSTANT_NONE, :now is the transaction's time by the
 * database's clock. */
int sql_bind_own_time(const struct sql_file *f, const struct pack *p, const struct parameter *extra,
                      size_t n_extra, int first, struct bound_sql *ret, struct err *e) MUST_CHECK;
void bound_sql_deinit(struct bound_sql *b);

/* Adds the values of b->names to `p`, in order. */
int sql_add_values(const struct bound_sql *b, const struct run_values *v, struct db_params *p,
                   struct err *e) MUST_CHECK;

/* Complete list of a pack's settings: defaults, overridden by the service's configuration (at
 * load), the job's, and `json` (rollcall.run.settings: an object of texts, may be NULL). The result
 * lives in `a`. Unknown names or invalid values: ERR_INPUT. */
int settings_resolve(const struct pack *p, const struct job *j, const struct setting_value *given,
                     size_t n_given, struct arena *a, struct setting_value **ret, size_t *ret_n,
                     struct err *e) MUST_CHECK;

/* Does the text use :name? */
bool sql_names(const struct sql_file *f, const char *name);

/* Where the next ordinary character after `p` stands: behind the text, comment, dollar quote or
 * `::` that begins at `p`, else behind the character. */
const char *sql_skip(const char *start, const char *p);
int sql_line(const char *start, const char *p); /* from 1 */

/* The line of the statement in which PostgreSQL found the fault, from "at character N"; 0: it does
 * not say. */
size_t sql_fault_line(const char *statement, const struct err *e);
/* Where in the file PostgreSQL found the fault: "FILE:LINE", from "at character N" of a statement
 * in which `before` newlines precede the file's text. */
void sql_where(const struct sql_file *f, const char *statement, size_t before, const struct err *e,
               char *ret, size_t size);

/* Complete list of a pack's settings out of those that were kept: as they are, also where the pack
 * would not take them any more. A setting that is new since then has its default. */
int settings_kept(const struct pack *p, const struct setting_value *kept, size_t n, struct arena *a,
                  struct setting_value **ret, size_t *ret_n, struct err *e) MUST_CHECK;

/* Sets the session's search_path for the pack's SQL (until the end of the transaction when
 * `local`). */
int pack_search_path(struct db *d, const struct pack *p, bool local, struct err *e) MUST_CHECK;
