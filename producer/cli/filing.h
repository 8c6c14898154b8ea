/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tasks are requested through rollcall.request_tasks, in requests of up to 10,000. The next one is
 * put together while the database takes the one before.
 */
#include "task_request.h"

/* Called for each request, in order: how many tasks it has; `earlier`: when the same request was
 * filed before (nothing is filed then), else INSTANT_NONE. */
typedef void (*filing_notice)(void *ctx, size_t tasks, instant earlier);

struct filing;

/* Fills in defaults; NULL: out of memory. `notify` may be NULL. */
struct filing *filing_new(struct cli *c, const struct task_type *type, bool dry_run,
                          filing_notice notify, void *ctx);
void filing_free(struct filing *f);
DEFINE_CLEANUP(filing_cleanup, struct filing, filing_free)

/* Adds a task whose values have been checked. 0, or an exit code after saying why. */
int filing_add(struct filing *f, const struct task_request *q) MUST_CHECK;
/* Files what is left, and waits until all is in the database. */
int filing_finish(struct filing *f) MUST_CHECK;

/* Files one task. `ret_earlier`: when the same was requested before, else INSTANT_NONE. */
int filing_one(struct cli *c, const struct task_request *q, instant *ret_earlier) MUST_CHECK;
