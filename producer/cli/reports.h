/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Running a pack's reports. */
#include "cli.h"

#include "pack/statement.h"

/* The report's document, as JSON text in a file without a name. `given`: parameters; the others
 * have their defaults. 0, or an exit code after saying why: CODE_NOT_FOUND when it is to be about a
 * run that is not there. */
int report_document(struct cli *c, const struct report *r, const struct setting_value *given,
                    size_t n_given, int *ret_fd) MUST_CHECK;
