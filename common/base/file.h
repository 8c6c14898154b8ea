/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What write(2) leaves to its caller. */
#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes all of it, however often it takes. False: `errno` says why; a part may be written. */
bool file_write(int fd, const void *data, size_t len) MUST_CHECK;
