/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Commands that a pack declares. */
#include "args.h"

struct command;
int pack_command_find(struct cli *c, const char *first, const char *second,
                      const struct command **ret, int *ret_words);
int pack_command_run(struct cli *c, const struct command *command, int argc, char **argv);
