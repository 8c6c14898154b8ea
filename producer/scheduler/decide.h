/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is to be run, and whether a run may start: the scheduler's pure core. It takes the job, what
 * is known of it, and `now`; docs/scheduling.md says the rules in words. Two schedulers that decide
 * from the same state decide the same, down to the run ids.
 */
#include "base/uuid.h"
#include "ledger/ledger.h"
#include "pack/pack.h"

/* ---- slots: the instants that a job's schedule names ---- */

struct job_state {
        /* every slot up to here has been decided; INSTANT_NONE: the job is seen for the first time
         */
        instant considered_at;
        bool suspended; /* by an operator or by the configuration */
        bool open;      /* a run of it that is not a dry run is not closed yet */
        bool held;      /* … and waits for a review */
};

enum decision_kind {
        DECIDE_RUN,  /* request the run of `slot` */
        DECIDE_SKIP, /* `count` slots, the last at `slot`, are never run */
        DECIDE_WAIT, /* the run of `slot` starts when the open one has closed */
};

struct decision {
        enum decision_kind kind;
        instant slot;
        bool catch_up;      /* RUN: late */
        instant not_before; /* RUN: slot and jitter; INSTANT_NONE without jitter */
        int count;          /* SKIP; COUNT_MAX stands for that many or more */
        const char *reason; /* SKIP, WAIT: static text */
};

enum { DECISIONS_MAX = 16, COUNT_MAX = 1000 };

struct decisions {
        struct decision list[DECISIONS_MAX];
        size_t n;
        instant considered_at; /* the new one; INSTANT_NONE: unchanged */
        bool more;             /* call again at once: the list was full */
};

/* `grace_ms`: a slot that is later than this was missed, and catch_up says what becomes of it. */
void decide_slots(const struct job *j, const struct job_state *s, instant now, int64_t grace_ms,
                  struct decisions *ret);

/* The next slot after `now`; INSTANT_NONE: none. */
instant decide_next(const struct job *j, instant now);

/* When the run may start at the earliest: within job.jitter of its slot, always the same for the
 * same run. INSTANT_NONE without jitter. */
instant decide_not_before(const struct job *j, instant slot);

/* ---- guards: whether a requested run may start ---- */

struct run_candidate {
        instant scheduled_at;
        instant requested_at;
        instant not_before; /* INSTANT_NONE: at once */
        bool manual, dry_run, force;
};

struct job_context { /* other runs of the same job, dry runs left out */
        int started; /* planned or published, not closed */
        /* greatest start of those planned, published, or closed with every task's outcome;
         * INSTANT_NONE: none */
        instant last_start;
        bool suspended;
};

enum guard { GUARD_GO, GUARD_WAIT, GUARD_REPLACE, GUARD_REFUSE };

/* GO; WAIT for now; REPLACE: cancel the job's started runs, then go; REFUSE with a sentence in
 * `reason`. `j` NULL: not in this configuration. */
enum guard decide_guard(const struct job *j, const struct run_candidate *r,
                        const struct job_context *w, instant now, char *reason, size_t max);

/* ---- limits: whether a planned run may be published without a review ---- */

struct extent {
        int64_t subjects;   /* that the plan's tasks change; nobody twice */
        int64_t population; /* of how many; -1: the job does not say */
};

/* Is that more than the job's max_subjects or max_percent? `why` gets a sentence. */
bool decide_review(const struct job *j, const struct extent *x, char *why, size_t max);

/* ---- closing ---- */

/* What a run has come to, from its counts; `planned` with its follow-up tasks. */
struct run_counts {
        int64_t planned, done, failed, quarantined, unknown;
        bool digest_matches;
};
/* RUN_PUBLISHED: not yet. `why` gets a sentence when not all went well. */
enum run_state decide_closing(const struct run_counts *c, char *why, size_t max);
/* Is the end of a run with these counts one that on_failure is for? `j` NULL: not in this
 * configuration. */
bool decide_alert(const struct job *j, enum run_state state, const struct run_counts *c);
