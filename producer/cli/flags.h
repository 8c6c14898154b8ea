/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Options of commands, and those that come from a pack's declarations. */
#include "cli.h"

struct flag {
        const char *name;  /* without dashes */
        const char *value; /* label of its value; NULL: a switch */
        const char *help;
        /* its possible values, separated by blanks, for completion; "@file": file names; NULL: any
         */
        const char *words;
        char letter; /* 0: none */
        bool required;
        bool repeat;
};

/* The flags that declared values stand for: underscores become dashes, booleans are switches. The
 * array (not the names' owner) is the caller's to free with flags_free. NULL: out of memory. */
struct flag *flags_of(const struct parameter *list, size_t n, const struct flag *fixed);
void flags_free(struct flag *f);
DEFINE_CLEANUP(flags_cleanup, struct flag, flags_free)
/* Is `flag` how the declared name is written as an option? */
bool flag_is(const char *flag, const char *declared_name);
