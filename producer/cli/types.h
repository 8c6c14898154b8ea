/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli.h"

/* Prints the paused task types: rows of types_paused.sql. */
void types_print(const struct cli *c, const struct db_result *r);
