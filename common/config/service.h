/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The service's one configuration file, read through one table of properties (service.c): path,
 * type, range, default, help, reloadable. The same table prints the reference page (`rollcall
 * config reference`). Unknown keys are errors.
 */
#include "config/cfg.h"

enum lane {
        LANE_JOBS,
        LANE_TASKS,
        LANE_URGENT,
        LANE_MAIL,
        LANE_COUNT,
        /* what workers serve besides: the services' intake topics together */
        LANE_INTAKE = LANE_COUNT,
        SERVED_COUNT,
};
const char *lane_name(enum lane l);                /* "jobs", "tasks", "urgent", "mail"; "intake" */
bool lane_parse(const char *name, enum lane *ret); /* false: no such lane */

enum { INTAKES_MAX = 256 };

/* A service's intake topic. */
struct service_intake {
        const struct cfg_node *node; /* for errors */
        const char *service;         /* becomes the actor of its tasks */
        char *topic;                 /* owned; PREFIX.intake.SERVICE unless given */
        const char **types;          /* full names that it may request; owned, the texts are not */
        size_t n_types;
        /* tasks a second that are accepted on average, and at once; over all workers */
        int64_t rate, burst;
        int64_t open_max; /* tasks without an outcome; more are not accepted */
};

struct service_pack {
        const struct cfg_node *node; /* for complaints */
        /* folder, absolute or relative to the configuration file's folder (already joined) */
        const char *path;
        const struct cfg_node *settings; /* overrides of the pack's settings; may be NULL */
        /* list of groups with keys of a pack's job that override it, each with `name`; may be NULL
         */
        const struct cfg_node *jobs;
        /* nobody named the configuration, and root obeys it: the pack's files must be root's, too
         */
        bool guarded;
};

struct service {
        struct cfg *cfg; /* owns the texts below that are not in `owned` */
        const char *file;
        bool found; /* in the working directory: nobody named it */
        struct {
                const char *conninfo;
                const char *password_file;
                int64_t connect_timeout_ms;
                /* `rollcall check` lets settings of the server pass that may lose commits */
                bool allow_data_loss;
        } database;
        struct {
                const char *brokers, *embedded;
                const char **properties;     /* "name=value" */
                const char **property_names; /* their names alone */
                size_t n_properties;
                const char **secret_files; /* "name=path": properties whose values stand in files */
                size_t n_secret_files;
                const char **secrets;      /* what these files hold */
                const char *secrets_fault; /* why one of them cannot be read; NULL: all could be */
                bool allow_plaintext;      /* a password may go over a connection without TLS */
                const char *prefix;        /* topics are PREFIX.tasks … */
                int64_t partitions, replication, retention_ms, results_retention_ms;
                int64_t session_timeout_ms;
                const char *lost_log; /* "stop" or "repair" */
                /* per partition, not yet consumed; 0: no limit. The embedded broker forces one */
                int64_t in_flight_max_bytes;
        } kafka;
        struct {
                bool lanes[SERVED_COUNT];
                /* per lane: each is a group member with a database connection of its own */
                int64_t threads;
                int64_t batch_max; /* tasks */
                int64_t batch_max_bytes;
                int64_t drain_timeout_ms;
                int64_t lock_timeout_ms; /* of a statement; 0: none */
        } worker;
        struct {
                /* database roles whose members may name another with --actor */
                const char **act_for_others;
                size_t n_act_for_others;
        } security;
        struct {                  /* of a task that failed by its own fault */
                int64_t attempts; /* then its subject is quarantined */
                /* of what the other side defers by a 4xx */
                int64_t put_off_attempts, put_off_base_ms, put_off_max_ms;
                /* the n-th wait: anything up to base * 2^(n-1), at most max */
                int64_t base_ms, max_ms;
                /* for a worker that has the version of the statement that a run was planned with */
                int64_t version_wait_ms;
                /* the same for a task type that is paused, without the chance */
                int64_t pause_base_ms, pause_max_ms;
        } retry;
        struct {
                int64_t lease_ms, tick_ms, chunk; /* chunk: subjects per row of the plan */
                /* an open run that has not moved for so long is reported */
                int64_t stuck_after_ms;
        } scheduler;
        struct {
                int64_t batch_max;
                int64_t errors_kept; /* newest errors kept per task type */
        } aggregator;
        struct {
                const char *transport; /* "smtp", "maildir" */
                const char *maildir;
                const char *url, *user, *password_file, *tls, *ca_file, *helo;
                int64_t connections, connect_timeout_ms, message_timeout_ms, batch_max;
                const char *domain; /* right side of Message-IDs */
        } mail;
        struct { /* who is notified of problems, without a worker */
                const char *to, *from, *webhook_file;
                int64_t after_ms;
        } alert;
        struct {
                const char *folder;
        } reports;
        struct {
                const char *folder;
                const char *registry; /* URL of a schema registry's Confluent API; NULL: none */
                const char **ids;     /* "ID=FILE": writer schemas of the Confluent wire format */
                size_t n_ids;
        } schemas;
        const char *log_level;
        struct service_pack *packs;
        size_t n_packs;
        struct service_intake *intakes;
        size_t n_intakes;
        /* topics that workers take from, and number outcomes of: the lanes, then the intake topics
         */
        const char **sources;
        size_t n_sources;
        /* PREFIX.jobs, PREFIX.tasks, PREFIX.tasks.urgent, PREFIX.tasks.mail */
        char *topics[LANE_COUNT];
        char *topic_results, *topic_dead_letters;
        char **owned; /* texts made at load, such as joined paths */
        size_t n_owned;
};

/* Where the configuration is: `given`, else $ROLLCALL_CONFIG, else ./rollcall.cfg, else
 * /etc/rollcall/rollcall.cfg. */
const char *service_path(const char *given, bool *ret_found);
/* Loads it from there. One that nobody named is taken only when nobody but the caller and root can
 * have written it. */
int service_open(const char *given, struct service **ret, struct err *e) MUST_CHECK;
/* Paths in the file are relative to its folder and come out joined. */
int service_load(const char *path, struct service **ret, struct err *e) MUST_CHECK;
void service_free(struct service *s);
DEFINE_CLEANUP(service_cleanup, struct service, service_free)

/* The configuration as it is in force, secrets redacted, and the reference of all properties. */
void service_print(const struct service *s, struct buf *out);
void service_reference(struct buf *out);
/* rollcall.cfg(5), the same as roff. */
void service_man(struct buf *out);

/* A one-line secret from a file: refuses a file that others own or may read. The caller frees it.
 */
int secret_read(const char *path, char **ret, struct err *e) MUST_CHECK;
/* database.conninfo with the password of password_file added; the caller frees (and it is wiped by
 * nobody: keep it short-lived). */
int service_conninfo(const struct service *s, char **ret, struct err *e) MUST_CHECK;
