/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The adapter around libconfig: the only place that includes it. Every complaint names FILE:LINE,
 * the key's path, and what was expected.
 */
#include "base/buf.h"
#include "base/err.h"
#include <stdint.h>

struct cfg;      /* a parsed file; owns all texts that are read from it */
struct cfg_node; /* a setting inside it */

int cfg_load(const char *path, struct cfg **ret, struct err *e) MUST_CHECK;
/* Every file that settings came from must be the caller's or root's alone (trust.h). */
int cfg_trusted(const struct cfg *c, struct err *e) MUST_CHECK;
void cfg_free(struct cfg *c);
DEFINE_CLEANUP(cfg_cleanup, struct cfg, cfg_free)
const struct cfg_node *cfg_root(const struct cfg *c);

/* NULL when absent. `path` may have dots: "worker.batch_max". */
const struct cfg_node *cfg_get(const struct cfg_node *n, const char *path);
/* elements of a group, list or array; 0 for NULL and scalars */
int cfg_count(const struct cfg_node *n);
const struct cfg_node *cfg_at(const struct cfg_node *n, int i);
const char *cfg_key(const struct cfg_node *n); /* its own name; NULL for list elements */
bool cfg_is_group(const struct cfg_node *n);
bool cfg_is_list(const struct cfg_node *n); /* list or array */
bool cfg_is_text(const struct cfg_node *n);

/* Error at a node: "FILE:LINE: PATH: text". Returns -1, class fatal. */
int cfg_error(const struct cfg_node *n, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with the text "found VALUE, expected EXPECTED". */
int cfg_unexpected(const struct cfg_node *n, struct err *e, const char *expected);

/* Reads setting `key` of group `n`. Absent: `fallback` is given (for `required` variants an error).
 * Wrong type or out of range: an error. */
int cfg_str(const struct cfg_node *n, const char *key, const char *fallback, const char **ret,
            struct err *e) MUST_CHECK;
int cfg_str_required(const struct cfg_node *n, const char *key, const char **ret, struct err *e)
        MUST_CHECK;
int cfg_int(const struct cfg_node *n, const char *key, int64_t fallback, int64_t min, int64_t max,
            int64_t *ret, struct err *e) MUST_CHECK;
int cfg_bool(const struct cfg_node *n, const char *key, bool fallback, bool *ret, struct err *e)
        MUST_CHECK;
/* A time span: a whole number of seconds, or a text such as "500ms", "23h", "90d", "1h30m". In
 * milliseconds. */
int cfg_duration(const struct cfg_node *n, const char *key, int64_t fallback_ms, int64_t *ret_ms,
                 struct err *e) MUST_CHECK;
/* A scalar as text, whatever its type (numbers printed, true/false). */
int cfg_scalar_text(const struct cfg_node *n, struct buf *out, struct err *e) MUST_CHECK;
/* A list or array of texts; `ret` is malloc'ed (the texts are not), NULL when absent or empty. */
int cfg_str_list(const struct cfg_node *n, const char *key, const char ***ret, size_t *ret_n,
                 struct err *e) MUST_CHECK;
