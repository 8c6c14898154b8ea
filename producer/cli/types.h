#pragma once
#include "cli.h"

/* The paused task types, and how they are printed. */
void types_print(const struct cli *c, const struct db_result *r);
