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
#include "ledger/ledger.h"
#include "pack/statement.h"

/* a row of `effect` is wrong: the fault belongs to that row's task */
#define SQLSTATE_ANSWER "RC002"
/* the statement acts beyond its batch: no task of it can be trusted */
#define SQLSTATE_STATEMENT "RC003"

/* of the texts of one statement's result: more raises DB_RESULT_TOO_LARGE */
enum { RESULT_BYTES_MAX = 4 * 1024 * 1024 };

enum variant {
        /* tasks of a run, believed to have no outcome yet: the ledger's key refuses the whole
           statement if one has */
        VARIANT_FRESH,
        /* tasks of a run: only those that have no outcome, and the outcomes go to the ledger */
        VARIANT_RUN,
        VARIANT_ADHOC,  /* the same for ad-hoc tasks */
        VARIANT_AGAIN,  /* the effect alone, for tasks whose intent is in the ledger already */
        VARIANT_RECORD, /* the `record` list, with batch(subject, item, sent_at) */
        VARIANT_WORKER, /* how many of them the workers use */
        /* the effect alone, to be shown and rolled back: columns subject, item, outcome (a word),
           reason, before, after, then the others of `effect` */
        VARIANT_TRIAL = VARIANT_WORKER,
        VARIANT_COUNT,
};

struct composed {
        char name[32]; /* of the prepared statement */
        char *sql;
        /* the parameters of the type's `requires`, then those of its statement */
        struct bound_sql guard, bound;
        size_t guard_line, body_line; /* newlines before the pack's own texts */
};

/* one per connection user; remembers the shapes of effects and the composed texts */
struct composer;

struct composer *composer_new(void); /* NULL: out of memory */
void composer_free(struct composer *c);
DEFINE_CLEANUP(composer_cleanup, struct composer, composer_free)

/* Composes and prepares, once per connection. Errors name the pack's file and line. The result
 * lives as long as the composer. NULL is given for VARIANT_RECORD of a type without one. */
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

/*
 * Parameters of all variants: $1 subjects, $2 items, $3 source numbers, $4 offsets, $5 sequences,
 * $6 task ids, $7 actors, $8 day, $9 run number, $10 arguments as JSON, then the arguments, one
 * array each; then those of `requires`, then those of the statement. Arrays may be short: no items
 * are '', and a run's actor stands once.
 */
enum { COMPOSE_FIRST_ARGUMENT = 11 };

/* Adds what `requires` and the statement ask for by name. `values->now` INSTANT_NONE: the
 * transaction's time (not in VARIANT_FRESH and VARIANT_RUN). */
int compose_add_values(const struct composed *c, const struct run_values *values,
                       struct db_params *p, struct err *e) MUST_CHECK;

/* Columns of a composed statement's result (not of VARIANT_RECORD, VARIANT_TRIAL); template
 * variables follow from COLUMN_VARIABLES on. */
enum {
        COLUMN_N,
        COLUMN_OUTCOME,
        COLUMN_REASON,
        COLUMN_BEFORE,
        COLUMN_AFTER,
        COLUMN_FOLLOW_UPS,
        COLUMN_VARIABLES
};
