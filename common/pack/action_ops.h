/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the programs need to know of an action, besides doing it. A new one is a file action_NAME.c
 * here, with its keys in pack.cfg, and a file in worker/actions that carries it out; each has a row
 * in its room's table (actions.c, worker/act.c), and the enum a value. The compiler refuses a table
 * that lacks one.
 */
#include "pack/pack.h"

struct loader;

struct action_ops {
        const char *name; /* in pack.cfg, and of the group that holds the action's own keys */
        enum lane default_lane;
        /* A statement of the pack says what is done for each subject. Without it the action is of
         * scope "run" and acts on nobody's rows. */
        bool by_statement;
        bool in_database;  /* the statement is the whole effect: no worker acts after it */
        bool records;      /* may have a `record` statement */
        bool writes_files; /* within reports.folder */
        const char
                *done; /* the outcome by which the statement says that it is, or is to be, done */
        /* a column that its effect must have, and that column's type: "text" or "json"; NULL: none
         */
        const char *effect_column, *effect_type;
        /* Reads the group of keys into `t`; NULL: the action has none. */
        int (*load)(struct loader *l, const struct cfg_node *group, struct task_type *t,
                    struct err *e);
        /* Checks what refers to other parts of the pack, once these are loaded; `n` is the type's
         * group. NULL: nothing does. */
        int (*check)(struct loader *l, const struct cfg_node *n, const struct task_type *t,
                     struct err *e);
        void (*free)(struct task_type *t); /* what `load` made outside the arena; NULL: nothing */
        /* How long one call of it can keep a worker from its consumer group, in ms; NULL: it does
         * not. */
        int64_t (*longest_ms)(const struct service *s, const struct task_type *t);
};

extern const struct action_ops action_sql, action_email, action_webhook, action_report,
        action_files;
