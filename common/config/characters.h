/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A configuration file is UTF-8 text without NUL and other control characters: libconfig would cut
 * a text at a NUL. ERR_FATAL with file, line and column. */
#include "base/err.h"

int characters_check(const char *file, struct err *e) MUST_CHECK;
