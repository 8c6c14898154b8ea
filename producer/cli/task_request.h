/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One ad-hoc task as an operator requests it. */
#include "cli.h"

struct task_request {
        const struct task_type *type;
        struct uuid id;
        const char *subject, *item; /* item "" when there is none */
        const char **values;        /* one per argument of the type; NULL: not given */
        bool dry_run;
};

/* --actor: fills in the arguments that are for others, where they are not given. */
void task_request_for_others(const struct cli *c, const struct task_type *t, const char **values);
/* Checks subject and arguments as the worker will, so that a bad request fails here and at once.
 * ERR_INPUT with a sentence. */
int task_request_check(const struct task_request *q, struct err *e) MUST_CHECK;
