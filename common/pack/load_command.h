/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The commands and reports of pack.cfg. */
#include "pack/load.h"

int load_commands(struct loader *l, struct err *e) MUST_CHECK;
int load_reports(struct loader *l, struct err *e) MUST_CHECK;
