#pragma once
/*
 * A batch: the tasks taken from Kafka together and decided in one transaction. Entries are plain values whose texts live in the batch's arena
 * or in the Kafka messages, until the batch is reset.
 */
#include "base/arena.h"
#include "codec/codec.h"
#include "ledger/ledger.h"

enum entry_state {
        ENTRY_READY, /* to be given to its type's statement */
        ENTRY_DECIDED, /* has an outcome that no statement gave (unknown type, cancelled run, a failing row); still to be written */
        ENTRY_DONE, /* its outcome is in the ledger, by this transaction */
        ENTRY_PENDING, /* its intent is in the ledger; the action outside the database is still to be done */
        ENTRY_ACTED, /* the action came to an outcome, which is still to be written */
        ENTRY_REPEATED, /* it had an outcome before: nothing to do */
        ENTRY_DEAD, /* undecodable, or claims to be what it cannot be: a dead letter with `reason` */
        ENTRY_IGNORED, /* a run event on the jobs topic */
};

struct entry {
        enum entry_state state;
        struct task task;
        const struct task_type *type; /* NULL when dead or ignored, or of a type that no pack here has */
        int type_no;
        struct run *run; /* NULL: ad-hoc */
        bool dry_run;
        int64_t subject_int; /* the subject when the type's subjects are integers */

        int source; /* index into the pump's sources */
        int64_t epoch; /* of the source, when the entry was taken: with another one it is somebody else's */
        int64_t offset;
        int64_t sequence; /* 0: none yet */
        struct span key, value; /* as on the wire, for dead letters */
        int level; /* how many entries of the same subject stand before it in the batch */

        enum outcome outcome;
        int attempt;
        struct span reason, before, after;
        struct span follow_ups; /* names joined by ',', "" when there are none */
        const struct db_result *row_of; /* pending: the statement's result, whose row `row` has the variables of templates */
        int row;
        instant at; /* done, dead: of the transaction that wrote it */
};

/* Entries that one statement takes: same type, run, dry-run flag and level; so no subject twice. */
struct unit {
        const struct task_type *type;
        int type_no;
        struct run *run;
        bool dry_run;
        struct entry **list;
        size_t n;
};

enum { RESULTS_MAX = 16384 };

struct batch {
        struct arena *arena;
        struct entry *entries;
        size_t n, cap;
        struct unit *units;
        size_t n_units;
        struct db_result *results[RESULTS_MAX]; /* kept while entries point into them */
        size_t n_results;
};

size_t batch_count(const struct batch *b, enum entry_state state);
/* Forgets the entries and everything that they point into. */
void batch_reset(struct batch *b);
/* Hands a result to the batch. Always takes it, and frees it on failure. */
int batch_keep(struct batch *b, struct db_result *r, struct err *e) MUST_CHECK;

/* Levels, then units in the order in which they must run, of the entries that are in `state`. Within a unit by subject (as the tables' keys are sorted).
 * Pure. ERR_FATAL when the arena is full. */
int batch_divide(struct batch *b, enum entry_state state, struct err *e) MUST_CHECK;

/* What an entry's task must satisfy before any statement sees it: sets type, type_no, dry_run, subject_int; or DECIDED/DEAD with a reason.
 * Pure. `run` NULL for ad-hoc. */
void entry_admit(struct entry *en, const struct packs *packs, const struct type_numbers *numbers, struct run *run, struct arena *a);

void entry_decide(struct entry *en, enum outcome outcome, struct span reason);
void entry_bury(struct entry *en, struct span reason);
