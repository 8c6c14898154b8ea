/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An entry of a batch: one message, the task in it, and what becomes of both. Entries are plain
 * values; their texts live in the batch's arena or in the Kafka messages. Pure.
 */
#include "codec/codec.h"
#include "ledger/compose.h"
#include "retry.h"

enum entry_state {
        /* names a run that is over, or a type that is not its job's: whether the run takes it is
           for the ledger to decide (unexpected.c) */
        ENTRY_UNEXPECTED,
        ENTRY_READY, /* to be given to its type's statement */
        /* decided without a statement (unknown type, cancelled run, a failing row); still to be
           written */
        ENTRY_DECIDED,
        ENTRY_DONE, /* its outcome is in the ledger, by this transaction */
        /* its intent is in the ledger; the action outside the database is still to be done */
        ENTRY_PENDING,
        ENTRY_ACTED,    /* the action came to an outcome, which is still to be written */
        ENTRY_PARKED,   /* by this transaction, without an outcome: see enum parked */
        ENTRY_REPEATED, /* it had an outcome before: nothing to do */
        /* undecodable, or claims to be what it cannot be: a dead letter with `reason` */
        ENTRY_DEAD,
        ENTRY_IGNORED, /* a run event on the jobs topic */
        /* of a run, and its type is paused: no outcome, no row; it is republished when the type is
           resumed */
        ENTRY_PASSED,
        /* a service's request that is taken: it becomes part of a row of rollcall.request */
        ENTRY_FILED,
};

/* Whether, and why, a task has a row in rollcall.held. */
enum parked {
        PARKED_NOT,
        /* without an outcome */
        PARKED_RETRY,   /* it failed, or could not be tried: retried after delay_ms */
        PARKED_UNKNOWN, /* its type, or an argument, is unknown here: for a newer worker */
        PARKED_PAUSED,  /* its type is paused; later tasks of its subject are not blocked */
        PARKED_BLOCKED, /* by an earlier task of its subject, which is retried */
        /* with an outcome */
        PARKED_QUARANTINED, /* quarantined: its last attempt failed */
        /* quarantined because an earlier task of its subject is */
        PARKED_BLOCKED_BY_QUARANTINED,
        PARKED_RECORD, /* applied, but its type's `record` failed: that is retried alone */
};

/* What rollcall.outcome.outcome holds instead of an enum outcome. */
enum { LEDGER_PENDING = -1, LEDGER_WAITING = -2 };

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

        int partition; /* index into the lane worker's partitions */
        /* of the position, when the entry was taken: with another one it is another owner's */
        int64_t epoch;
        int64_t offset;
        int64_t sequence; /* 0: none yet */
        int64_t place;    /* in its run's plan, when it came in its turn; 0: it has none */
        bool by_plan;     /* compared with its run's plan: only while that is not kept by task */
        bool unplanned;   /* its run's plan has its type, but not its task */
        bool in_batch;    /* its outcome is part of a row of rollcall.outcome_batch */
        struct span key, value; /* as on the wire, for dead letters */
        int nth_of_subject;     /* so many entries of its subject come before it in the batch */

        enum outcome outcome; /* of no meaning while it is parked without one */
        int attempt;
        struct span reason, before, after;
        struct span follow_ups; /* names joined by ',', "" when there are none */
        /* pending: the statement's result, whose row `row` has the variables of templates */
        const struct db_result *row_of;
        int row;
        instant at; /* done, dead: of the transaction that wrote it */

        enum parked parked;
        bool was_parked; /* its row in rollcall.held is older than this batch */
        bool replaces;   /* was quarantined before: that outcome is replaced */
        /* its type, or an argument, is not known here: decided as failed, unless it is parked for
         * a worker that knows it */
        bool unknown;
        bool locked;      /* when it was tried alone, its row was locked by another session */
        int tries;        /* that failed, since the beginning or the latest replay */
        int record_tries; /* of its record, that failed */
        int64_t delay_ms; /* parked for a retry: how long */
};

/* It is parked without an outcome. */
static inline bool entry_waits(const struct entry *en)
{
        return en->parked >= PARKED_RETRY && en->parked <= PARKED_BLOCKED;
}

void entry_decide(struct entry *en, enum outcome outcome, struct span reason);
void entry_dead_letter(struct entry *en, struct span reason);

/* The entry's try failed by its own fault: it will be retried, or is quarantined after the last
 * attempt; a dry run just failed. Its state is the caller's to set. */
void entry_fail(struct entry *en, const struct retry_policy *p, struct span reason);
/* The entry could not be tried: it will be, after `delay_ms`, without this being counted. READY
 * becomes DECIDED, PENDING becomes ACTED. `why`: one of those without an outcome. */
void entry_park(struct entry *en, enum parked why, struct span reason, int64_t delay_ms);
/* It is blocked by an earlier task of its subject, which is retried or `quarantined`. */
void entry_block(struct entry *en, bool quarantined);
/* Its run was cancelled while its action was pending. */
void entry_cancel(struct entry *en);
/* The entry's type is paused. A run's task is passed over: its run knows what it owes. Ad-hoc
 * tasks, and what is in the ledger, are parked. */
void entry_pass(struct entry *en);
