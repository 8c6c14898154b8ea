/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The task types of pack.cfg. */
#include "pack/load.h"

int load_types(struct loader *l, struct err *e) MUST_CHECK;
/* what refers to other parts of the pack; sets follow_ups */
int check_types(struct loader *l, struct err *e) MUST_CHECK;
void free_types(struct pack *p);
/* The type named `name`; `n` is where the name stands. */
int load_type_of(const struct loader *l, const struct cfg_node *n, const char *name,
                 const struct task_type **ret, struct err *e) MUST_CHECK;
/* Error at `n` when the type has an argument that must be given: nobody gives one where no person
 * asks. */
int check_no_arguments(const struct cfg_node *n, const struct task_type *t, struct err *e)
        MUST_CHECK;
