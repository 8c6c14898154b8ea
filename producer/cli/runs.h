#pragma once
/* What the commands about runs share. */
#include "output.h"

#include "ledger/ledger.h"

struct run_ref {
        int64_t run_no;
        char id[UUID_TEXT_LEN + 1];
};

/* By id, unambiguous prefix (at least 4 characters) or job name (its newest run). 0, or an exit
 * code after saying why. */
int run_find(struct cli *c, const char *text, struct run_ref *ret) MUST_CHECK;

/* Follows a run until it is closed, showing progress on standard error. timeout_ms < 0: for ever.
 * The exit code tells the end: 0 succeeded, 1 completed with errors or failed, 7 refused, cancelled
 * or held for review, 6 the time was over first. */
int run_follow(struct cli *c, const struct run_ref *r, int64_t timeout_ms) MUST_CHECK;
/* The exit code of a run's state, CODE_OK for an open one. */
int run_state_code(enum run_state state);

struct run_show {
        bool missing; /* list them */
        /* list the subjects with this one; NULL: failed, quarantined and unknown ones */
        const char *outcome;
        int64_t limit; /* length of each list */
};
/* Prints all about a run, as a text or as JSON. */
int run_print(struct cli *c, const struct run_ref *r, const struct run_show *show) MUST_CHECK;
