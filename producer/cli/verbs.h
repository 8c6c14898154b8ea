/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "args.h"

extern const struct verb verbs[]; /* ends in a NULL name; commands of one group stand together */
