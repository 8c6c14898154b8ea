/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rollcall's own tables (schemas/sql), as the scheduler, the workers, the aggregator and the
 * operator's tool share them.
 */
#include "base/arena.h"
#include "model/messages.h"
#include "db/db.h"
#include "pack/pack.h"
#include "pack/statement.h"
#include "model/run_state.h"

enum {
        LEDGER_VERSION = 3,
        /* bytes of a subject or an item: both stand in the key of the ledger's index */
        LEDGER_NAME_MAX = 1000,
};

/* One service a database: lease, jobs and positions are its own. */
struct ledger_service {
        const char *prefix; /* of its topics, which tells it from others */
        bool renamed;       /* the prefix was changed on purpose: the recorded one is replaced */
        const char *const *act_for_others; /* database roles */
        size_t n_act_for_others;
};

/* Applies what is missing of schemas/sql/, then each pack's own schema file, then registers the
 * packs' jobs and task types. Repeatable. `ret_from`: the version that was found (0: none). */
int ledger_apply(struct db *d, const struct packs *p, const struct ledger_service *s, int *ret_from,
                 struct err *e) MUST_CHECK;
/* ERR_FATAL with what to do ("run: rollcall db apply") unless the database has exactly
 * LEDGER_VERSION, and is the service's own. */
int ledger_check(struct db *d, const char *prefix, struct err *e) MUST_CHECK;
/* The names of the tables that schemas/sql/ makes, as an array: "{lease,job,…}". */
void ledger_tables(struct buf *out);

/* ---- tasks ---- */

/* code of an error that a newer version of the pack may not give: an argument that this one does
 * not know */
#define TASK_UNKNOWN "unknown"

/* Sizes and characters, of any type: anything else cannot be in the ledger. ERR_INPUT with
 * a sentence. */
int task_validate_form(const struct task *t, struct err *e) MUST_CHECK;
/* Subject and arguments, as the type wants them. `ret_number`: the subject, where the type's are
 * integers. ERR_INPUT with a sentence. */
int task_validate(const struct task_type *type, const struct task *t, int64_t *ret_number,
                  struct err *e) MUST_CHECK;

/* ---- types ---- */

/* type_no of each of the packs' task types; made by ledger_apply, ERR_FATAL when one is missing. */
struct type_numbers;
int type_numbers_load(struct db *d, const struct packs *p, struct type_numbers **ret, struct err *e)
        MUST_CHECK;
void type_numbers_free(struct type_numbers *t);
int type_number(const struct type_numbers *t, const struct task_type *type);
/* NULL: not of our packs */
const struct task_type *type_by_number(const struct type_numbers *t, int number);

/* ---- runs ---- */

struct run {
        int64_t run_no; /* 0: the ad-hoc "run" */
        struct uuid run_id;
        int64_t day; /* days since 1970-01-01 */
        instant scheduled_at;
        enum run_state state;
        bool dry_run, force;
        bool kept;               /* the ledger has a partition for its day */
        const struct pack *pack; /* NULL when this configuration does not have it */
        const struct job *job;   /* likewise */
        char *pack_name, *job_name, *requested_by, *cause;
        /* names of the types whose tasks have places in the plan, joined by ','; "": the ledger
         * keeps the run by task */
        char *placed_types;
        /* complete; as they were when the run was planned, before that as they would be now */
        struct setting_value *settings;
        size_t n_settings;
        int64_t planned_ms; /* how long ago it was planned, when it was read; -1: it was not */
        /* how long its tasks still wait where a type has another version than it was planned with;
         * set by who reads it */
        int64_t version_wait_ms;
        /* per task type (its full name) the version it was planned with; empty before that */
        struct setting_value *statements;
        size_t n_statements;
        struct arena *memory; /* owns all of the above */
};
void run_free(struct run *r);
DEFINE_CLEANUP(run_cleanup, struct run, run_free)

/* By id; -1: error. */
enum run_found { RUN_FOUND, RUN_NOT_FOUND };
int run_load(struct db *d, const struct packs *p, struct uuid run_id, struct run **ret,
             struct err *e) MUST_CHECK;
/* Puts into `v` the settings that a task works with: those of its run, or for NULL those of the
 * pack, which live in `a`. */
int run_task_settings(const struct run *r, const struct pack *p, struct arena *a,
                      struct run_values *v, struct err *e) MUST_CHECK;

/* fixed.c: what a run keeps from its planning on, as JSON objects: its settings, and the versions
 * of the task types that may belong to it. */
int run_fix(const struct run *r, struct buf *settings, struct buf *statements, struct err *e)
        MUST_CHECK;
/* Was it planned with `t`, or does `t` follow from what it was planned with? False before it is
 * planned. */
bool run_has_type(const struct run *r, const struct task_type *t);
/* Have the tasks of that type (its full name) places in the run's plan? */
bool run_has_places(const struct run *r, struct span type);
/* A task's place in its run's plan, as one number, from 1: rollcall.place(). */
static inline int64_t plan_place(int chunk, int index)
{
        return (int64_t)chunk * (1 << 20) + index + 1;
}
/* Has `t` the version that the run was planned with? True when that is not recorded. */
bool run_statement_same(const struct run *r, const struct task_type *t);

/* The scheduler requests the run of a slot; nothing happens when that run id exists already (same
 * job, same instant). */
struct slot_request {
        const struct job *job;
        instant scheduled_at;
        bool catch_up;
        instant not_before; /* INSTANT_NONE: at once */
};
int run_request_slot(struct db *d, const struct slot_request *q, struct err *e) MUST_CHECK;

/* An operator requests a run, in the name of the database session's user; the scheduler starts it
 * at once. The database refuses (ERR_INPUT) what the rules forbid. 0, or 1 as above. */
struct run_request {
        const struct job *job;
        instant scheduled_at;
        const char *on_behalf_of; /* NULL: the session's user acts for no one else */
        bool dry_run, force;
        const struct setting_value *settings;
        size_t n_settings;
        /* NULL: nobody was asked; else per task type (its full name) how many were confirmed, as a
         * text */
        const struct setting_value *expect;
        size_t n_expect;
};
int run_request(struct db *d, const struct run_request *q, struct uuid *ret_id, struct err *e)
        MUST_CHECK;

/* ---- settings as JSON ---- */
void settings_to_json(const struct setting_value *list, size_t n, struct buf *out);
int settings_from_json(struct span json, struct arena *a, struct setting_value **ret, size_t *ret_n,
                       struct err *e) MUST_CHECK;
/* The same, where a value may be null. */
int settings_from_json_nulls(struct span json, struct arena *a, struct setting_value **ret,
                             size_t *ret_n, struct err *e) MUST_CHECK;
/* A task's arguments in the same form: settings_from_json reads both. */
void arguments_to_json(const struct argument *list, size_t n, struct buf *out);
