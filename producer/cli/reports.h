#pragma once
/* Running a pack's reports. */
#include "cli.h"

#include "pack/statement.h"

/* The report's document, as JSON text. `given`: parameters; the others have their defaults. 0, or an exit code after saying why. */
int report_document(struct cli *c, const struct report *r, const struct setting_value *given, size_t n_given, struct buf *json) MUST_CHECK;
