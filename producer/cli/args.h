/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Commands as data: the table of verbs.c drives parsing, usage errors, help and completion. Options
 * may stand before, between and after operands; "--" ends them; "--name=value" and "--name value"
 * are the same.
 */
#include "flags.h"

enum { ARGS_MAX = 100000 }; /* operands, where any number may stand */

struct args;

struct verb {
        const char *name;         /* "jobs run" */
        const char *operands;     /* as the usage line shows them: "JOB" */
        int min, max;             /* operands */
        const char *help;         /* one line */
        const char *detail;       /* further lines for its own help; NULL: none */
        const struct flag *flags; /* ends in a NULL name; NULL: none */
        /* Options that are not in the table but depend on the operand (a report's parameters). 0,
         * or an exit code. `ret` NULL-name terminated. */
        int (*declare)(struct cli *c, const char *operand, struct flag **ret);
        int (*run)(struct cli *c, const struct args *a);
        const struct flag *filters; /* options that several commands share; NULL: none */
};

extern const struct flag global_flags[]; /* ends in a NULL name */

/* Parses `argv` (without program and command words) for `v`; `more` are flags beyond the verb's
 * (may be NULL). 0 or CODE_USAGE after saying why. Global flags go to `c`. The texts of `argv` must
 * outlive `ret`. */
int args_parse(struct cli *c, const struct verb *v, const struct flag *more, int argc, char **argv,
               struct args **ret) MUST_CHECK;
void args_free(struct args *a);
DEFINE_CLEANUP(args_cleanup, struct args, args_free)

bool args_help(const struct args *a); /* --help was given */
size_t args_count(const struct args *a);
const char *args_operand(const struct args *a, size_t i); /* NULL past the last */
bool args_on(const struct args *a, const char *flag);
/* the last one given; NULL: not given */
const char *args_get(const struct args *a, const char *flag);
size_t args_values(const struct args *a, const char *flag); /* how often it was given */
const char *args_value(const struct args *a, const char *flag, size_t at);

/* A whole number min..max from a flag. 0, or CODE_USAGE after saying why. */
int args_number(const struct args *a, const char *flag, int64_t fallback, int64_t min, int64_t max,
                int64_t *ret) MUST_CHECK;
/* "30s", "5m", "2h" or plain seconds, as milliseconds. */
int args_duration(const struct args *a, const char *flag, int64_t fallback_ms, int64_t *ret_ms)
        MUST_CHECK;
/* "name=value" of a repeatable flag. `name` is allocated, to be freed. */
int args_pair(const struct args *a, const char *flag, size_t i, char **ret_name,
              const char **ret_value) MUST_CHECK;

/* The first word that is neither an option nor an option's value, or NULL; `ret_at` its index. `v`:
 * the command; NULL: none is known yet. */
const char *args_first_operand(const struct verb *v, int argc, char **argv, int *ret_at);

/* What was given for a declared value, "true" for a switch; NULL: not given. */
const char *args_declared(const struct args *a, const struct parameter *d);

/* The command that the words name, in a table that ends in a NULL name and has the commands of a
 * group together: sets `ret_words` to how many belong to it (1 or 2). NULL: none. `*ret_group` is
 * true when the first word begins commands of two words ("jobs"). */
const struct verb *verb_find(const struct verb *verbs, const char *first, const char *second,
                             int *ret_words, bool *ret_group);
