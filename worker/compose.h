#pragma once
/*
 * From a task type's WITH list to one statement: the engine's `batch` before it, the ledger's insert after it, all at the top level, where
 * PostgreSQL allows data-modifying WITH. The effect and its outcome are one statement.
 */
#include "batch.h"
#include "pack/statement.h"
#include "source.h"

enum variant {
        VARIANT_FRESH, /* tasks of a run, believed to have no outcome yet: the ledger's key refuses the whole statement if one has */
        VARIANT_RUN, /* tasks of a run: only those that have no outcome, and the outcomes go to the ledger */
        VARIANT_ADHOC, /* the same for ad-hoc tasks */
        VARIANT_AGAIN, /* the effect alone, for tasks whose intent is in the ledger already */
        VARIANT_RECORD, /* the `record` list, with batch(subject, item, sent_at) */
        VARIANT_COUNT,
};

struct composed {
        char name[32]; /* of the prepared statement */
        char *sql;
        struct bound_sql bound;
};

struct composer; /* one per connection user; remembers the shapes of effects and the composed texts */

struct composer *composer_new(void);
void composer_free(struct composer *c);
DEFINE_CLEANUP(composer_cleanup, struct composer, composer_free)

/* Composes and prepares, once per connection. Errors name the pack's file. The result lives as long as the composer. NULL is given for
 * VARIANT_RECORD of a type without one. */
int compose(struct composer *c, struct db *d, const struct task_type *type, int type_no, enum variant v, const struct composed **ret, struct err *e) MUST_CHECK;

/* Parameters for list[0..n) of a unit, in the order that the composed statement wants. `now`: the run's instant, or the transaction's for ad-hoc. */
int compose_params(const struct composed *c, const struct unit *u, struct entry *const *list, size_t n, const struct sources *sources,
                   const struct run_values *values, struct db_params *p, struct err *e) MUST_CHECK;

/* A run's day, or that of the ad-hoc rows when `run` is NULL, as text. */
void run_day(const struct run *run, char text[16]);
/* Adds the day (text) and the number of a run's rows in the ledger; of the ad-hoc rows when `run` is NULL. */
void add_run_key(const struct run *run, struct db_params *p);

/* Adds an ad-hoc task's arguments, as JSON, to an array of texts. -1: out of memory. */
int add_arguments(const struct task *t, struct db_params *p, struct err *e) MUST_CHECK;

/* Columns of a composed statement's result (not of VARIANT_RECORD); template variables follow from COLUMN_VARIABLES on. */
enum { COLUMN_N, COLUMN_OUTCOME, COLUMN_REASON, COLUMN_BEFORE, COLUMN_AFTER, COLUMN_FOLLOW_UPS, COLUMN_VARIABLES };
