/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* libconfig before 1.7 cuts a number of more than 32 bits without an error, and later ones do not:
 * such a number must end in L. Private to this room. */
#include "base/err.h"

/* ERR_FATAL "FILE:LINE: …" when the file holds one that does not. */
int numbers_check(const char *file, struct err *e) MUST_CHECK;
