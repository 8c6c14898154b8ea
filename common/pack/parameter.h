/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings of packs, arguments of task types, parameters of reports. */
#include "base/err.h"
#include "pack/value.h"

/* A value that a pack declares: a setting (constant within a run, `:name` in SQL) or an argument
 * (per task, a column of `batch`). */
struct parameter {
        const char *name; /* [a-z][a-z0-9_]* */
        enum value_type type;
        const char *default_value; /* default as text; NULL: none */
        bool required;             /* arguments only: must be given */
        bool allow_blank;          /* arguments only: a required text may be empty */
        /* arguments only: it is who asks, as the engine recorded it */
        bool from_actor;
        /* with from_actor: may be given, as the own name or by who may act for others */
        bool for_others;
        bool locked;         /* settings only: `rollcall jobs run --set` cannot change it */
        const char **values; /* allowed texts; NULL: any */
        size_t n_values;
        int64_t min, max;  /* integers, and the elements of integer[]; INT64_MIN/MAX: no limit */
        int64_t min_items; /* arrays */
        const char *help;
};
/* ERR_INPUT with a sentence for a person */
int parameter_check(const struct parameter *d, struct span text, struct err *e) MUST_CHECK;
