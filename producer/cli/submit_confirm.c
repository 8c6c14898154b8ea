/* SPDX-License-Identifier: Apache-2.0 */
/* The question before tasks are submitted. */
#include "submit_confirm.h"

#include <stdio.h>
#include <unistd.h>

int submit_confirm(const struct args *a, const struct task_type *type, bool dry_run,
                   const char *question)
{
        bool destructive = type_destructive(type);
        if (dry_run || args_on(a, "yes") || (!destructive && !isatty(STDIN_FILENO)))
                return 0;
        if (destructive)
                fprintf(stderr, "%s is destructive: what it does cannot be taken back.\n",
                        type->full_name);
        return cli_confirm(question);
}
