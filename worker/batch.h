#pragma once
/*
 * A batch: the tasks taken from Kafka together and decided in one transaction. Entries are plain
 * values whose texts live in the batch's arena or in the Kafka messages, until the batch is reset.
 */
#include "base/arena.h"
#include "codec/codec.h"
#include "ledger/compose.h"

enum entry_state {
        /* names a run that is over, or a type that is not its job's: whether it is taken is for the
           ledger to say (pump_unexpected.c) */
        ENTRY_UNEXPECTED,
        ENTRY_READY, /* to be given to its type's statement */
        /* has an outcome that no statement gave (unknown type, cancelled run, a failing row); still
           to be written */
        ENTRY_DECIDED,
        ENTRY_DONE, /* its outcome is in the ledger, by this transaction */
        /* its intent is in the ledger; the action outside the database is still to be done */
        ENTRY_PENDING,
        ENTRY_ACTED, /* the action came to an outcome, which is still to be written */
        /* set aside, by this transaction: it waits for another try, or behind an earlier task of
           its subject */
        ENTRY_HELD,
        ENTRY_REPEATED, /* it had an outcome before: nothing to do */
        /* undecodable, or claims to be what it cannot be: a dead letter with `reason` */
        ENTRY_DEAD,
        ENTRY_IGNORED, /* a run event on the jobs topic */
        /* of a run, and its type is paused: no outcome, no row; it is published again when the type
           is resumed */
        ENTRY_PASSED,
        /* a service's request that is taken: it becomes part of a row of rollcall.request */
        ENTRY_FILED,
};

struct entry {
        enum entry_state state;
        struct task task;
        /* NULL when dead or ignored, or of a type that no pack here has */
        const struct task_type *type;
        int type_no;
        struct run *run; /* NULL: ad-hoc */
        /* ad-hoc, of scope "run": the run that its subject names, whose settings it sees; NULL:
         * none */
        struct run *about;
        bool dry_run;
        int64_t subject_int; /* the subject when the type's subjects are integers */

        int source; /* index into the pump's sources */
        /* of the source, when the entry was taken: with another one it is somebody else's */
        int64_t epoch;
        int64_t offset;
        int64_t sequence;       /* 0: none yet */
        struct span key, value; /* as on the wire, for dead letters */
        int level; /* how many entries of the same subject stand before it in the batch */

        enum outcome outcome;
        int attempt;
        struct span reason, before, after;
        struct span follow_ups; /* names joined by ',', "" when there are none */
        /* pending: the statement's result, whose row `row` has the variables of templates */
        const struct db_result *row_of;
        int row;
        instant at; /* done, dead: of the transaction that wrote it */

        /* Of tasks set aside, in rollcall.held. */
        bool again; /* decided, acted: no outcome yet; it waits */
        /* again: because its type is paused; later tasks of its subject do not wait behind it */
        bool paused;
        /* waits, or is quarantined, because of an earlier task of its subject, not by a failure of
         * its own */
        bool behind;
        /* its type, or an argument, is not known here: decided as failed, unless it waits for a
         * worker that knows it */
        bool unknown;
        bool locked;      /* when it was tried alone, its row was locked by another session */
        bool unrecorded;  /* applied, but its type's record failed: it is recorded later, alone */
        int record_tries; /* of the record, that failed */
        bool held;        /* stands in rollcall.held already */
        bool replaces;    /* was quarantined before: that outcome is replaced */
        int tries;        /* that failed before, since the beginning or the last replay */
        int64_t delay_ms; /* again and not behind: how long */
};

/* How often, and how far apart, a task that fails by its own fault is tried. */
struct retry_policy {
        int64_t attempts, base_ms, max_ms;
        bool patient; /* never less than half of the longest wait */
        uint32_t (*random)(void);
};

/* Entries that one statement takes: same type, run, dry-run flag and level, so no subject twice;
 * where it asks for :actor, of one actor, too. */
struct unit {
        const struct task_type *type;
        int type_no;
        struct run *run;
        struct run *about;
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
        size_t result_bytes; /* what the results take */
};

size_t batch_count(const struct batch *b, enum entry_state state);
/* Forgets the entries and everything that they point into. */
void batch_reset(struct batch *b);
/* Hands a result to the batch. Always takes it, and frees it on failure. With more than one entry
 * in the batch they may take twice RESULT_BYTES_MAX together, or a kilobyte for each entry: beyond
 * that it fails with DB_RESULT_TOO_LARGE. */
int batch_keep(struct batch *b, struct db_result *r, struct err *e) MUST_CHECK;

/* Levels, then units in the order in which they must run, of the entries that are in `state`.
 * Within a unit by subject (as the tables' keys are sorted). Pure. ERR_FATAL when the arena is
 * full. */
int batch_divide(struct batch *b, enum entry_state state, struct err *e) MUST_CHECK;

/* What an entry's task must satisfy before any statement sees it: sets type, type_no, dry_run,
 * subject_int; or DECIDED/DEAD with a reason, or UNEXPECTED. Pure. `run` NULL for ad-hoc. */
void entry_admit(struct entry *en, const struct packs *packs, const struct type_numbers *numbers,
                 struct run *run, struct arena *a);
/* The rest of it, for an entry whose run takes it. */
void entry_accept(struct entry *en, const struct type_numbers *numbers, struct arena *a);

/* Is the batch too large for the results of its statements? Then fewer are to be taken. */
bool is_too_large(const struct err *e);
/* How many to take next, after one that was too large, or was done. Pure. */
size_t batch_fewer(size_t n);
size_t batch_more(size_t now, size_t result_bytes, size_t most);

/* How many to take next, when `n` of at most `now` took `ms`, so that a batch lasts no longer than
 * about a second: 1 to `most`. Pure. */
size_t batch_paced(size_t now, size_t n, int64_t ms, size_t most);

/* Exponential backoff with full jitter: 0 to base * 2^(tries - 1), at most max. `tries` failed so
 * far, from 1. Pure but for p->random. */
int64_t retry_delay_ms(const struct retry_policy *p, int tries);
/* The entry's try failed by its own fault: it will be tried again, or is quarantined after the last
 * attempt; a dry run just failed. Its state is the caller's to set. */
void entry_fail(struct entry *en, const struct retry_policy *p, struct span reason);
/* The entry could not be tried: it will be, after `delay_ms`, without this being counted. READY
 * becomes DECIDED, PENDING becomes ACTED. */
void entry_wait(struct entry *en, struct span reason, int64_t delay_ms);
/* What is unknown here waits for `ms` at most for a worker that knows it. Of entries that are
 * DECIDED for that reason. */
void batch_wait_for_newer(struct batch *b, int64_t ms);
/* A task that has waited so for `waited_ms` of `wait_ms`, as it is now: PENDING, or ACTED. */
void entry_readmit(struct entry *en, int64_t waited_ms, int64_t wait_ms, struct arena *a);
/* Later tasks wait behind one that waits, and are quarantined behind one that is quarantined. */
void entry_stand_behind(struct entry *en, bool quarantined);
/* Its run was cancelled while its action was pending. */
void entry_cancel(struct entry *en);
/* In a divided batch: entries of the units after `unit`, not yet given to a statement or acted
 * upon, whose subject has just been set aside in it, stand behind: READY ones are DECIDED, PENDING
 * ones ACTED. */
void batch_stand_behind(struct batch *b, size_t unit);

/* What a transaction may change in a divided batch, kept so that it can be tried again without what
 * was done outside the database. */
struct batch_copy {
        struct entry *entries, **list;
        struct unit *units;
};
/* into the arena; the same copy may be used again for the same batch */
int batch_save(struct batch *b, struct batch_copy *c, struct err *e) MUST_CHECK;
void batch_restore(struct batch *b, const struct batch_copy *c);

void entry_decide(struct entry *en, enum outcome outcome, struct span reason);
void entry_bury(struct entry *en, struct span reason);
