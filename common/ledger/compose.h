/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From a task type's WITH list to one statement: the engine's `batch` before it, the ledger's
 * insert after it, all at the top level, where PostgreSQL allows data-modifying WITH. The effect
 * and its outcome are one statement. The workers run it, `rollcall check` prepares it, and the
 * commands of packs try it: there is no second composition.
 *
 * What the statement answers is checked inside it, before anything of it can be committed: an
 * outcome that the action does not know, a subject twice, or another item than the task's raise
 * SQLSTATE_ANSWER; a subject that is not in `batch` raises SQLSTATE_STATEMENT.
 */
#include "ledger/composed.h"
#include "ledger/ledger.h"

/* one per connection user; remembers the shapes of effects and the composed texts */
struct composer;

struct composer *composer_new(void); /* NULL: out of memory */
void composer_free(struct composer *c);
DEFINE_CLEANUP(composer_cleanup, struct composer, composer_free)

/* Composes and prepares, once per connection. Errors name the pack's file and line. The result
 * lives as long as the composer. NULL is given for VARIANT_RECORD of a type without
 * one, and for VARIANT_PLACED of a type that acts outside the database. */
int compose(struct composer *c, struct db *d, const struct task_type *type, int type_no,
            enum variant v, const struct composed **ret, struct err *e) MUST_CHECK;

/* Composes and prepares all that a worker uses of the type, before a transaction begins: within one
 * an error would end it. */
int compose_all(struct composer *c, struct db *d, const struct task_type *type, int type_no,
                struct err *e) MUST_CHECK;
bool composed_all(const struct composer *c, const struct task_type *type); /* on this connection */

/* For checks: prepares the effect alone (or the record), and describes its columns. */
int compose_describe(struct db *d, const struct task_type *type, int type_no, bool record,
                     struct db_result **ret, struct err *e) MUST_CHECK;
/* For checks, after compose_describe: does its plan read `batch`? */
int compose_reads_batch(struct db *d, const struct task_type *type, int type_no, bool record,
                        bool *ret, struct err *e) MUST_CHECK;

/* Adds the values that `requires` and the statement name. `values->now` INSTANT_NONE: the
 * transaction's time (not in VARIANT_FRESH and VARIANT_RUN). */
int compose_add_values(const struct composed *c, const struct run_values *values,
                       struct db_params *p, struct err *e) MUST_CHECK;

/* Columns of a composed statement's result (not of VARIANT_RECORD, VARIANT_TRIAL); template
 * variables follow from COLUMN_VARIABLES on. */
enum {
        COLUMN_N, /* of VARIANT_PLACED an array */
        COLUMN_OUTCOME,
        COLUMN_REASON,
        COLUMN_BEFORE,
        COLUMN_AFTER,
        COLUMN_FOLLOW_UPS,
        COLUMN_VARIABLES
};
