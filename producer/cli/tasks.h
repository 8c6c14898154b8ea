#pragma once
/* Ad-hoc tasks: building, publishing, waiting for their outcomes. */
#include "args.h"
#include "output.h"

struct draft { /* a task's values before it is built */
        const struct task_type *type;
        struct uuid id;
        const char *subject, *item; /* item "" when there is none */
        const char **values;        /* one per argument of the type; NULL: not given */
        bool dry_run;
};

/* Checks subject and arguments as the worker will, so that a bad request fails here and at once.
 * ERR_INPUT with a sentence. */
int draft_check(const struct draft *d, struct err *e) MUST_CHECK;
/* --actor: fills in the arguments that are for others, where they are not given. */
void tasks_act_for_others(const struct cli *c, const struct task_type *t, const char **values);
/* Asks for it. 0, or an exit code after saying why. `ret_earlier`: when the same was asked for
 * before, else INSTANT_NONE. */
int draft_file(struct cli *c, const struct draft *d, instant *ret_earlier) MUST_CHECK;
/* Says so when no scheduler is there to publish what was asked for. */
int note_no_scheduler(struct cli *c) MUST_CHECK;

/* Waits for the outcome of one task: 0 and its row (columns task_id, type, subject, item, outcome,
 * reason, before, after, at, dry_run, actor, attempt), or an exit code after saying why. */
int outcome_wait(struct cli *c, const struct draft *d, int64_t timeout_ms, struct db_result **ret)
        MUST_CHECK;
/* "LABEL: applied: reason (before → after)", from a row with the columns outcome and, perhaps,
 * reason, before and after. */
void outcome_print(const struct cli *c, const char *label, const struct db_result *r);
/* The same of any row, without the label. */
void outcome_print_row(const struct cli *c, const struct db_result *r, int row);
/* Is the row, with the columns type, subject, item and dry_run, about that very task? Ids may have
 * been used for another one. */
bool outcome_fits(const struct db_result *r, int row, const struct draft *d);
/* 0 applied (or, of a proposal, send), 7 skipped, else 1. */
int outcome_code(const char *outcome);

/* Asks before tasks are submitted: on a terminal, and of a destructive type everywhere, so that
 * without a terminal --yes is needed. 0: yes, or an exit code. */
int submit_confirm(const struct args *a, const struct task_type *type, bool dry_run,
                   const char *question) MUST_CHECK;

/* `rollcall tasks submit --csv`. */
int submit_csv(struct cli *c, const struct args *a, const struct task_type *type,
               const char *const *fixed, int64_t timeout_ms) MUST_CHECK;
