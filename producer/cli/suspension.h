/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Why a job's schedule is suspended: by somebody, alone or with all others, or by the
 * configuration. */
#include "output.h"

struct suspension {
        bool suspended;
        const char *by, *reason; /* "" when there is none; they point into the result */
        instant at;              /* INSTANT_NONE: by the configuration */
        bool with_all;
};

/* `row` -1: the database does not know the job; `j` NULL: the configuration does not. */
void suspension_read(const struct job *j, const struct db_result *r, int row,
                     struct suspension *ret);
/* The members suspended, suspended_by, suspended_reason, suspended_at and suspended_with_all. */
void suspension_json(const struct suspension *s, json_t *object);
/* "suspended by eva: audit" */
void suspension_cell(const struct suspension *s, struct table *t);
