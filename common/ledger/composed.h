/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a composed statement is: its variants, its parameters, and the errors that it raises. */
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
        /* tasks of a run in their places, which have no outcome yet: the worker writes what they
           come to. A row of the result has all tasks of one answer */
        VARIANT_PLACED,
        VARIANT_ADHOC,  /* as VARIANT_RUN, for ad-hoc tasks */
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

/*
 * Parameters of all variants: $1 subjects, $2 items, $3 source numbers, $4 offsets, $5 sequences,
 * $6 task ids, $7 actors, $8 day, $9 run number, $10 arguments as JSON, then the arguments, one
 * array each; then those of `requires`, then those of the statement. Arrays may be short: no items
 * are '', and a run's actor stands once.
 */
enum { COMPOSE_FIRST_ARGUMENT = 11 };
