/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Runs that tasks name, read from the database and kept for a moment: a cancelled run is noticed
 * within RUN_CACHE_TTL_MS. */
#include "ledger/ledger.h"

enum { RUN_CACHE_TTL_MS = 500, RUN_CACHE_MAX = 64 };

struct run_cache;

struct run_cache *run_cache_new(const struct packs *p, int64_t version_wait_ms);
void run_cache_free(struct run_cache *r);
DEFINE_CLEANUP(run_cache_cleanup, struct run_cache, run_cache_free)

/* A run stays valid until the next run_cache_evict, however old. 0 found; 1 no such run; -1 error.
 */
int run_cache_get(struct run_cache *r, struct db *d, struct uuid run_id, int64_t now_ms,
                  struct run **ret, struct err *e) MUST_CHECK;
/* The run that an ad-hoc task of scope "run" is about: the one that its subject names, of the
 * type's pack. `ret` stays NULL when there is none. */
int run_cache_about(struct run_cache *r, struct db *d, const struct task_type *type,
                    struct span subject, int64_t now_ms, struct run **ret, struct err *e)
        MUST_CHECK;
/* Between batches: frees what has been replaced and what is too much. */
/* The runs are read again by the next run_cache_get. */
void run_cache_forget_all(struct run_cache *r);
void run_cache_evict(struct run_cache *r);
