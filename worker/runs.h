#pragma once
/* Runs that tasks name, read from the database and kept for a moment: a cancelled run is noticed
 * within RUNS_TTL_MS. */
#include "ledger/ledger.h"

enum { RUNS_TTL_MS = 500, RUNS_KEPT = 64 };

struct runs;

struct runs *runs_new(const struct packs *p, int64_t version_wait_ms);
void runs_free(struct runs *r);
DEFINE_CLEANUP(runs_cleanup, struct runs, runs_free)

/* A run stays valid until the next runs_sweep, however old. 0 found; 1 no such run; -1 error. */
int runs_get(struct runs *r, struct db *d, struct uuid run_id, int64_t now_ms, struct run **ret,
             struct err *e) MUST_CHECK;
/* The run that an ad-hoc task of scope "run" is about: the one that its subject names, of the
 * type's pack. `ret` stays NULL when there is none. */
int runs_about(struct runs *r, struct db *d, const struct task_type *type, struct span subject,
               int64_t now_ms, struct run **ret, struct err *e) MUST_CHECK;
/* Between batches: frees what has been replaced and what is too much. */
void runs_sweep(struct runs *r);
