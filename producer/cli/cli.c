/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands share: configuration, packs, database, Kafka, and messages. */
#include "cli.h"

#include "daemon/daemon.h"
#include "kafka/kafka.h"
#include "ledger/ledger.h"
#include "pack/pack_load.h"
#include "publish/kafka_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        KAFKA_TIMEOUT_MS = 5000,
        QUEUE_MAX_BYTES = 2 * 1024 * 1024,
        PREFETCH_MAX_BYTES = 4 * 1024 * 1024,
        PARAMS_MAX = 1024 * 1024,
        PROPERTIES_MAX = 64,
};

void cli_init(struct cli *c, const struct verb *verbs)
{
        *c = (struct cli){ .verbs = verbs };
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        c->color = isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
                   !(term && strcmp(term, "dumb") == 0);
}

void cli_deinit(struct cli *c)
{
        db_free(c->db);
        packs_free(c->packs);
        service_free(c->service);
}

static void print_sentence(const char *fmt, va_list ap)
{
        fflush(stdout);
        fputs("rollcall: ", stderr);
        vfprintf(stderr, fmt, ap);
        fputc('\n', stderr);
}

int cli_error(int code, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        print_sentence(fmt, ap);
        va_end(ap);
        return code;
}

void cli_note(const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        print_sentence(fmt, ap);
        va_end(ap);
}

int cli_fail(int code, const struct err *e)
{
        return cli_error(code, "%s", e->text);
}

int cli_fail_by_class(int code, const struct err *e)
{
        return cli_fail(e->class == ERR_RETRY ? CODE_UNREACHABLE : code, e);
}

int cli_db_fail(const struct err *e)
{
        /* by the functions of the schema that file requests */
        static const char *const refusals[] = { "42501", "23505", "23514", "55000" };
        for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
                if (strcmp(e->code, refusals[i]) == 0)
                        return cli_fail(CODE_REFUSED, e);
        return cli_fail_by_class(CODE_FAILED, e);
}

int cli_oom(void)
{
        return cli_error(CODE_FAILED, "out of memory");
}

int cli_service(struct cli *c)
{
        struct err e = ERR_INIT;
        if (c->service)
                return 0;
        return service_open(c->config_given, &c->service, &e) < 0 ? cli_fail(CODE_CONFIG, &e) : 0;
}

int cli_packs(struct cli *c)
{
        struct err e = ERR_INIT;
        int rc = cli_service(c);
        if (rc || c->packs)
                return rc;
        return packs_load(c->service, &c->packs, &e) < 0 ? cli_fail(CODE_CONFIG, &e) : 0;
}

int cli_db_any(struct cli *c)
{
        struct err e = ERR_INIT;
        int rc = cli_service(c);
        if (rc || c->db)
                return rc;
        char *conninfo CLEANUP(cleanup_free) = NULL;
        if (service_conninfo(c->service, &conninfo, &e) < 0)
                return cli_fail(CODE_CONFIG, &e);
        if (db_open(conninfo, "rollcall", (int)c->service->database.connect_timeout_ms, &c->db,
                    &e) < 0)
                return cli_fail_by_class(CODE_CONFIG, &e);
        return 0;
}

int cli_db(struct cli *c)
{
        struct err e = ERR_INIT;
        int rc = cli_db_any(c);
        if (rc)
                return rc;
        if (ledger_check(c->db, c->service->kafka.prefix, &e) < 0)
                return cli_fail_by_class(CODE_CONFIG, &e);
        return 0;
}

int cli_actor(struct cli *c)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = cli_db_any(c);
        if (rc == 0)
                rc = cli_query(c, "select session_user", NULL, 0, &r);
        if (rc == 0)
                snprintf(c->actor, sizeof c->actor, "%s", db_str(r, 0, 0));
        return rc;
}

int cli_kafka(struct cli *c, struct kafka_producer **ret)
{
        struct err e = ERR_INIT;
        struct kafka_property storage[PROPERTIES_MAX];
        struct kafka_options o;
        int rc = cli_service(c);
        if (rc)
                return rc;
        if (kafka_options_of(c->service, "rollcall-cli", storage, PROPERTIES_MAX, &o, &e) < 0)
                return cli_fail(CODE_CONFIG, &e);
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        if (kafka_producer_new(&o, QUEUE_MAX_BYTES, NULL, NULL, &p, &e) < 0)
                return cli_fail_by_class(CODE_CONFIG, &e);
        if (!kafka_producer_cluster(p, KAFKA_TIMEOUT_MS))
                return cli_error(CODE_UNREACHABLE, "Kafka: no broker of %s answered within %d s",
                                 o.embedded ? o.embedded : o.brokers, KAFKA_TIMEOUT_MS / 1000);
        *ret = TAKE(p);
        return 0;
}

int cli_consumer(struct cli *c, const char *const *topics, size_t n,
                 const struct kafka_consumer_events *events, struct kafka_consumer **ret)
{
        struct err e = ERR_INIT;
        struct kafka_property storage[PROPERTIES_MAX];
        struct kafka_options o;
        char id[UUID_TEXT_LEN + 1], group[64];
        int rc = cli_service(c);
        if (rc)
                return rc;
        if (kafka_options_of(c->service, "rollcall-cli", storage, PROPERTIES_MAX, &o, &e) < 0)
                return cli_fail(CODE_CONFIG, &e);
        uuid_to_text(uuid_random(), id);
        /* nobody else's: all partitions are ours, and nothing is committed */
        snprintf(group, sizeof group, "rollcall-cli-%s", id);
        struct kafka_consumer_options co = {
                .group = group,
                .topics = topics,
                .n_topics = n,
                .session_timeout_ms = (int)c->service->kafka.session_timeout_ms,
                .prefetch_max_bytes = PREFETCH_MAX_BYTES,
        };
        if (events)
                co.events = *events;
        struct kafka_consumer *k CLEANUP(kafka_consumer_cleanup) = NULL;
        if (kafka_consumer_new(&o, &co, &k, &e) < 0)
                return cli_fail_by_class(CODE_CONFIG, &e);
        if (!kafka_consumer_cluster(k, KAFKA_TIMEOUT_MS))
                return cli_error(CODE_UNREACHABLE, "Kafka: no broker of %s answered within %d s",
                                 o.embedded ? o.embedded : o.brokers, KAFKA_TIMEOUT_MS / 1000);
        *ret = TAKE(k);
        return 0;
}

int cli_query(struct cli *c, const char *sql, const char *const *params, size_t n,
              struct db_result **ret)
{
        struct err e = ERR_INIT;
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(PARAMS_MAX);
        if (!p)
                return cli_oom();
        for (size_t i = 0; i < n; i++)
                db_add_str(p, params[i]);
        return db_query(c->db, sql, p, ret, &e) < 0 ? cli_db_fail(&e) : 0;
}

int cli_note_no_scheduler(struct cli *c)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = cli_query(
                c,
                "select exists (select from rollcall.lease where expires_at > clock_timestamp())",
                NULL, 0, &r);
        if (rc == 0 && !db_bool(r, 0, 0))
                cli_note("no scheduler is running: the request waits in the database until one "
                         "starts");
        return rc;
}

int cli_confirm(const char *question)
{
        if (!isatty(STDIN_FILENO))
                return cli_error(CODE_REFUSED,
                                 "nothing was done: \"%s\" needs a terminal; use --yes to confirm",
                                 question);
        fflush(stdout);
        fprintf(stderr, "%s [y/N] ", question);
        char *line CLEANUP(cleanup_free) = NULL;
        size_t cap = 0;
        ssize_t len = getline(&line, &cap, stdin);
        if (len > 0 && (line[0] == 'y' || line[0] == 'Y'))
                return 0;
        return cli_error(CODE_REFUSED, "cancelled, nothing was done");
}
