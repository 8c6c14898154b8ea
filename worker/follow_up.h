/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Follow-ups: tasks that an applied task's outcome names. Those of a run go straight to their lane:
 * the run's count tells when one is missing. Those of ad-hoc tasks are requests of Rollcall's own,
 * filed in the batch's transaction and published by the scheduler, so that none is lost.
 */
#include "batch.h"
#include "db/db.h"

/* The id of the task of type `full_type` that the entry's outcome spawns. */
struct uuid follow_up_id(const struct entry *en, struct span full_type);
/* Calls fn(ctx, full name) for each of the entry's follow-ups. */
void follow_up_each(const struct entry *en,
                    void (*fn)(void *ctx, const struct entry *en, struct span name), void *ctx);

/* How many follow-ups of ad-hoc tasks the entries that are DONE have. */
size_t follow_up_requests(const struct batch *b);
/* The parameters of the statement follow_ups_request, for that many. */
void follow_up_request_params(const struct batch *b, size_t n, struct db_params *p);

/* A follow-up that a run can come to by two ways (struct job, `shared`) has one id: the task that
 * is first to write its row in rollcall.shared_follow_up has it. Leaves out, of what is DONE, the
 * follow-ups that another task has, or the plan. Costs nothing for runs of other jobs. */
int follow_up_claim_shared(struct db *d, struct db_params *p, struct batch *b, struct err *e)
        MUST_CHECK;
