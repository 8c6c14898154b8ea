/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The operator's tool: what its commands share. A command returns the process's exit code; whoever
 * meets a failure prints the one sentence about it on standard error and returns the code,
 * everybody above hands the code on.
 */
#include "base/err.h"
#include "model/messages.h"
#include "db/db.h"
#include "pack/pack.h"

struct kafka_consumer;
struct kafka_producer;

/* docs/cli.md and the help's end say the same. */
enum exit_code {
        CODE_OK = 0,
        CODE_FAILED = 1, /* what was requested failed: checks, a run, a task */
        CODE_USAGE = 2,
        CODE_CONFIG = 3,      /* configuration or packs cannot be read */
        CODE_UNREACHABLE = 4, /* database or Kafka unavailable */
        CODE_NOT_FOUND = 5,
        CODE_TIMEOUT = 6, /* stopped waiting: the work itself continues */
        CODE_REFUSED = 7, /* refused by a rule, or cancelled by the answer to a question */
};

struct verb;

struct cli {
        const struct verb *verbs; /* all commands; ends in a NULL name */
        const char *config_given; /* --config; NULL: looked for */
        const char *actor_given;  /* --actor: for whom, by who may act for others */
        bool json;
        bool color;              /* standard output is a terminal that may be coloured */
        char actor[128];         /* the database session's user: who asks */
        struct service *service; /* these are opened on first use by the functions below */
        struct packs *packs;
        struct db *db;
};

void cli_init(struct cli *c, const struct verb *verbs);
void cli_deinit(struct cli *c);

/* 0, or an exit code after saying why. Each needs what stands before it, and gets it. Packs must be
 * loaded before Kafka is used (threads). */
int cli_service(struct cli *c) MUST_CHECK;
int cli_packs(struct cli *c) MUST_CHECK;
/* also checks that our tables are there in the version we know */
int cli_db(struct cli *c) MUST_CHECK;
int cli_db_any(struct cli *c) MUST_CHECK; /* without that check */
int cli_actor(struct cli *c) MUST_CHECK;  /* fills c->actor */

/* A Kafka client; brokers that do not answer within seconds are CODE_UNREACHABLE. The caller frees.
 */
int cli_kafka(struct cli *c, struct kafka_producer **ret) MUST_CHECK;
/* A consumer of `topics` in a group of its own that never commits. `events`: see kafka.h; may be
 * NULL. */
struct kafka_consumer_events;
int cli_consumer(struct cli *c, const char *const *topics, size_t n,
                 const struct kafka_consumer_events *events, struct kafka_consumer **ret)
        MUST_CHECK;

/* "rollcall: sentence" on standard error; give back `code`. */
int cli_error(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
int cli_fail(int code, const struct err *e);
/* CODE_UNREACHABLE where a retry may help, else `code`. */
int cli_fail_by_class(int code, const struct err *e);
int cli_db_fail(const struct err *e); /* the code by SQLSTATE and class */
int cli_oom(void);
/* A remark on standard error that changes no exit code. */
void cli_note(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* One query with text parameters (NULL: none); fails with a sentence. `params` may be NULL when n
 * is 0. */
int cli_query(struct cli *c, const char *sql, const char *const *params, size_t n,
              struct db_result **ret) MUST_CHECK;

/* Notes it when no scheduler is running to publish what was requested. 0, or an exit code. */
int cli_note_no_scheduler(struct cli *c) MUST_CHECK;

/* Asks "question [y/N]" on the terminal. 0: yes. Else an exit code, after saying that nothing was
 * done; without a terminal it refuses. */
int cli_confirm(const char *question) MUST_CHECK;
