#pragma once
/*
 * Writes a run's plan: a thread and a connection of its own for each run, so that a long select of
 * due subjects delays nobody. All of the plan is one transaction, which ends with the check of the
 * lease.
 */
#include "lease.h"
#include "ledger/ledger.h"
#include "pack/statement.h"

enum { PLANNERS_MAX = 4 };

enum plan_end {
        PLAN_DONE,    /* committed: the run is planned */
        PLAN_HELD,    /* committed: the run is planned, and held for review: `why` */
        PLAN_REFUSED, /* its precondition is not met: `why` */
        PLAN_FAILED,  /* its statements do not work: `why` */
        PLAN_AGAIN,   /* the world was not ready: `why` */
        PLAN_STOPPED, /* by planner_stop */
};

struct plan_options {
        const struct service *service;
        const struct type_numbers *types; /* must outlive the planner */
        struct lease lease;               /* as it is now */
        bool manual;                      /* the run's cause */
};

struct planner;

/* Takes `run`, also when it fails. */
int planner_start(const struct plan_options *o, struct run *run, struct planner **ret,
                  struct err *e) MUST_CHECK;
const struct run *planner_run(const struct planner *p);
bool planner_manual(const struct planner *p);
bool planner_ended(const struct planner *p);
/* Asks it to end soon, whatever it waits for. `reason`: what becomes of the run, with `alert` as in
 * run_close; the first one counts. NULL: nothing becomes of it, it will be planned again. */
void planner_stop(struct planner *p, const char *reason, bool alert);
const char *planner_stopped(const struct planner *p); /* the reason, or NULL */
bool planner_alert(const struct planner *p);
/* Waits for the end and tells what it was. */
enum plan_end planner_join(struct planner *p, int64_t *ret_planned, char *why, size_t max);
void planner_free(struct planner *p); /* joins first */
DEFINE_CLEANUP(planner_cleanup, struct planner, planner_free)

/* plan.c: the work itself. */
struct planning {
        struct db *db;
        struct db_params *params;
        const struct run *run;
        const struct plan_options *o;
        int chunk; /* of the plan: the next one */
        int64_t planned;
        int64_t population;        /* -1: the job does not say */
        struct uuid_digest digest; /* of the task ids */
};
/* 0: the run is planned and committed, and held for review unless `why` is ""; 1: refused, or not
 * ours to plan any more (`why` then is ""); -1. Anything but 0 is rolled back with the connection,
 * which may be left in pipeline mode. */
int plan_run(struct planning *p, char *why, size_t max, struct err *e) MUST_CHECK;

/* plan_due.c: the plan's rows of one task type. */
int plan_due(struct planning *p, const struct job_task *t, const struct run_values *v,
             struct err *e) MUST_CHECK;
int plan_run_scope(struct planning *p, const struct job_task *t, struct err *e) MUST_CHECK;

/* plan_limits.c: does the plan, which is written, need a review before anything of it is published?
 * 0 no; 1 yes, `why` says it; -1. Sets p->population. */
int plan_review(struct planning *p, const struct run_values *v, char *why, size_t max,
                struct err *e) MUST_CHECK;
