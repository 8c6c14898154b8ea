/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A pack: one organisation's lifecycle as data. docs/packs.md is the reference of pack.cfg and of
 * the statements. Loaded once, then read-only and shared between threads; freed as a whole.
 */
#include "base/uuid.h"
#include "config/service.h"
#include "pack/parameter.h"
#include "pack/report_format.h"
#include "time/cron.h"
#include "template/template.h"

enum action { ACTION_SQL, ACTION_EMAIL, ACTION_WEBHOOK, ACTION_REPORT, ACTION_FILES, ACTION_COUNT };
enum scope { SCOPE_SUBJECT, SCOPE_RUN };
enum concurrency_policy { CONCURRENCY_FORBID, CONCURRENCY_ALLOW, CONCURRENCY_REPLACE };
enum catch_up { CATCH_UP_LATEST, CATCH_UP_NONE, CATCH_UP_ALL };

struct action_ops;

struct sql_file {
        char *path; /* as messages show it */
        char *text; /* with :names; NULL: the pack has none */
};

struct task_type {
        const struct pack *pack;
        const char *name; /* within the pack */
        char *full_name;  /* "pack.name": Task.type on the wire */
        const char *help;
        /* database role that an operator needs to request it, or a job with it; NULL: none */
        const char *requires_role;
        enum action action;
        const struct action_ops *ops; /* of `action`: pack/action_ops.h */
        enum scope scope;
        enum lane lane;
        /* of what a worker executes: the texts of its statements and templates */
        struct uuid version;
        /* what it does cannot be undone: a request by hand has to be confirmed */
        bool destructive;
        bool by_actor;                /* its SQL names :actor: one statement acts for one actor */
        enum value_type subject_type; /* of batch.subject: text, integer or uuid */
        /* `requires`: SELECT (ok boolean, reason text), evaluated with each effect: without it
         * nothing is done; text NULL: none */
        struct sql_file precondition;
        /* SELECT of the due subjects; text NULL: only ad-hoc, follow-up, or run scope */
        struct sql_file due;
        struct sql_file statement; /* WITH list ending in `effect` (sql, email, webhook) */
        struct sql_file record;    /* email: WITH list run with the result of the sending */
        /* full names of task types published for each applied outcome, unless effect.follow_ups
         * says which */
        const char **follow_ups;
        size_t n_follow_ups;
        struct parameter *arguments;
        size_t n_arguments;
        struct {
                struct template *subject, *text, *html; /* html NULL: none */
                bool hold_unknown; /* lost answer: hold for review instead of sending again */
        } email;
        struct {
                const char *url;
                const char *url_file; /* a secret: the URL stands in this file */
                /* the key of webhook-signature stands there; NULL: calls are not signed */
                const char *secret_file;
                int64_t timeout_ms;
        } webhook;
        struct {
                const char *report;
                enum report_format format;
                /* strftime pattern in the pack's zone, within the report folder */
                const char *file;
        } report;
        struct {
                const char *folder, *pattern; /* fnmatch pattern on names */
                int64_t older_than_days;
                bool delete; /* false: compress with gzip */
        } files;
};

enum { LIMIT_NONE = -1 };

/* Which ends publish on_failure: none; a run that failed itself, was refused by schedule, or ran
 * out of time; these and one with errors, any or so many. */
enum alert_on { ALERT_ERRORS, ALERT_NEVER, ALERT_PERCENT, ALERT_FAILED };

struct job_task { /* one entry of a job's `tasks` */
        const struct task_type *type;
        bool dry_run;
};

struct setting_value {
        const char *name, *value;
};

struct job {
        const struct pack *pack;
        const char *name;
        char *full_name; /* "pack.name" */
        const char *help;
        const char *schedule; /* NULL: only by hand */
        struct cron cron;
        const char *time_zone;
        struct zone *zone;
        struct job_task *tasks;
        size_t n_tasks;
        /* the types of `tasks`, their follow-ups, the follow-ups' own, and so on: all that a run of
         * it can consist of */
        const struct task_type **takes;
        size_t n_takes;
        /* of those, follow-ups that a run can come to by two ways: of two types, or of one and by
         * the plan */
        const struct task_type **shared;
        size_t n_shared;
        struct setting_value *settings; /* the job's own overrides */
        size_t n_settings;
        bool suspend, dry_run;
        enum concurrency_policy concurrency_policy;
        enum catch_up catch_up;
        int64_t starting_deadline_ms; /* 0: none */
        int64_t time_limit_ms;        /* 0: none */
        int64_t min_interval_ms;      /* 0: none */
        int64_t jitter_ms;
        bool destructive; /* see job_destructive */
        enum alert_on alert_on;
        double alert_percent;       /* ALERT_PERCENT: so many of its tasks, at least */
        int64_t min_planned;        /* fewer tasks than that: the run failed */
        int64_t max_subjects;       /* more than that: held for review; LIMIT_NONE: no limit */
        double max_percent;         /* of the population; LIMIT_NONE: no limit */
        struct sql_file population; /* SELECT of one number: how many subjects there are */
        /* `requires`: SELECT (ok boolean, reason text); text NULL: none */
        struct sql_file precondition;
        /* run-scope task types published when the run has closed */
        const struct task_type **on_success, **on_failure, **on_finish;
        size_t n_on_success, n_on_failure, n_on_finish;
};

struct command {
        const struct pack *pack;
        const char *name, *help;
        const struct task_type *type;
        const char *subject_label; /* "USER" */
        /* database role that the tool's user needs for it, beside its type's; NULL: none */
        const char *requires_role;
        /* :subject -> row: subject, then columns to show; none: no such user */
        struct sql_file lookup;
        bool confirm;
};

struct report {
        const struct pack *pack;
        const char *name, *title, *help;
        /* returns one row, one json column: the document; or, when `rows`, any rows and columns */
        struct sql_file statement;
        bool rows;
        struct parameter *parameters;
        size_t n_parameters;
};

struct pack {
        char *folder;
        const char *name, *title, *time_zone, *search_path;
        struct zone *zone; /* of time_zone */
        enum value_type subject_type;
        /* the pack's own objects, applied by `rollcall db apply`, repeatable */
        struct sql_file schema;
        struct {
                const char *from_address, *from_name, *reply_to, *list_id, *list_unsubscribe;
        } mail;
        struct parameter *settings;
        size_t n_settings;
        struct task_type *types;
        size_t n_types;
        struct job *jobs;
        size_t n_jobs;
        struct command *commands;
        size_t n_commands;
        struct report *reports;
        size_t n_reports;
        struct cfg *cfg; /* this and the arena own the texts and lists above */
        struct arena *arena;
};

struct packs {
        struct pack **list;
        size_t n;
};

/* Can what it does not be taken back? By its own word, or by that of a task type or of a follow-up
 * of one; what it only tries dry does not count. */
bool job_destructive(const struct job *j);
bool type_destructive(const struct task_type *t); /* by its own word, or by that of a follow-up */

/* By full names; NULL: there is none. */
const struct task_type *pack_type(const struct pack *p, struct span full_name);
const struct task_type *packs_type(const struct packs *p, struct span full_name);
bool job_takes(const struct job *j, const struct task_type *t);
bool job_shares(const struct job *j, struct span full_name); /* see struct job */
bool packs_use_lane(const struct packs *p, enum lane l);     /* a task type goes there */
/* "pack.job", or "job" when only one pack has it */
const struct job *packs_job(const struct packs *p, const char *name);
const struct command *packs_command(const struct packs *p, const char *name);
const struct report *packs_report(const struct packs *p, const char *name);
const struct parameter *pack_setting(const struct pack *p, struct span name);
