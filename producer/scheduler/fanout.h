/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Planned runs are published, a part of each in turn, so that a run of millions delays no small
 * one. */
#include "admission.h"

struct fanouts;

/* `a`: knows which runs are still being planned; must outlive the result. */
int fanouts_new(struct context *c, const struct admission *a, struct fanouts **ret, struct err *e)
        MUST_CHECK;
void fanouts_free(struct fanouts *all);
DEFINE_CLEANUP(fanouts_cleanup, struct fanouts, fanouts_free)

/* Finds out what there is to publish. */
int fanout_find(struct fanouts *all, struct err *e) MUST_CHECK;
/* Publishes a part of each. 0: all wait for acknowledgements or workers; WORK_LEFT; LEAD_LOST; -1.
 */
int fanout_round(struct fanouts *all, struct err *e) MUST_CHECK;
bool fanout_acked(struct fanouts *all, uint64_t token); /* false: it is somebody else's token */
/* Forgets what is being published: it is read from the tables again. */
void fanout_reset(struct fanouts *all);
/* Stores how far each run is acknowledged by now. */
int fanout_checkpoint(struct fanouts *all, struct err *e) MUST_CHECK;

bool fanout_active(const struct fanouts *all); /* a run is being published */
/* fanout_find met a run whose plan is committed while its planner has not ended yet. */
bool fanout_soon(const struct fanouts *all);
