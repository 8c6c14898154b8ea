/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Plans a run in a thread and a connection of its own, so that a long select of due subjects delays
 * nobody.
 */
#include "planning.h"

enum plan_end {
        PLAN_DONE,    /* committed: the run is planned */
        PLAN_HELD,    /* committed: the run is planned, and held for review: `why` */
        PLAN_REFUSED, /* its precondition is not met: `why` */
        PLAN_FAILED,  /* its statements do not work: `why` */
        PLAN_RETRY,   /* an error that may pass, or another scheduler planned it: `why`, or "" */
        PLAN_STOPPED, /* by planner_stop */
};

struct planner;

/* Takes `run`, also when it fails. */
int planner_start(const struct plan_options *o, struct run *run, struct planner **ret,
                  struct err *e) MUST_CHECK;
const struct run *planner_run(const struct planner *p);
bool planner_manual(const struct planner *p);
bool planner_ended(const struct planner *p);
/* Requests it to end soon, whatever it waits for. `reason`: what becomes of the run, with `alert`
 * as in run_close; the first one counts. NULL: the run stays requested. */
void planner_stop(struct planner *p, const char *reason, bool alert);
const char *planner_stopped(const struct planner *p); /* the reason, or NULL */
bool planner_alert(const struct planner *p);
/* Waits for the end, and returns what it was. */
enum plan_end planner_join(struct planner *p, int64_t *ret_planned, char *why, size_t max);
void planner_free(struct planner *p); /* joins first */
DEFINE_CLEANUP(planner_cleanup, struct planner, planner_free)
