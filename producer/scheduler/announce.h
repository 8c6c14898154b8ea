/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Run events on the jobs topic, and the requests that follow from a run's end. */
#include "context.h"

struct announcer;

int announcer_new(struct context *c, struct announcer **ret, struct err *e) MUST_CHECK;
void announcer_free(struct announcer *a);
DEFINE_CLEANUP(announcer_cleanup, struct announcer, announcer_free)

/* Publishes the ends of runs, and that they are held for review, and records those that Kafka has
 * acknowledged. */
int announce_ends(struct announcer *a, struct err *e) MUST_CHECK;
void announce_acked(struct announcer *a, uint64_t token);
bool announce_pending(const struct announcer *a);
void announce_reset(struct announcer *a); /* forgets what is pending: it is published again */

/* "planned", "published": published once, not repeated after a crash; the table has the state. */
void announce_state(struct context *c, const struct run *run, enum run_state state,
                    int64_t planned);
/* A closed run's state has changed: published once, likewise, with an id of its own. */
int announce_changed(struct context *c, struct uuid run_id, struct err *e) MUST_CHECK;
