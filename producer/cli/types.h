#pragma once
#include "cli.h"

/* The paused task types, and how they are printed. */
int types_paused(struct cli *c, struct db_result **ret) MUST_CHECK;
void types_print(const struct cli *c, const struct db_result *r);
