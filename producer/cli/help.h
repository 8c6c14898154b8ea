/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The commands as text; `verbs` ends in a NULL name. */
#include "args.h"

#include <stdio.h>

void help_all(const struct verb *verbs, FILE *to);
void help_group(const struct verb *verbs, const char *group, FILE *to);
/* `more`: options beyond the command's own; may be NULL. */
void help_verb(const struct verb *v, const struct flag *more, FILE *to);
