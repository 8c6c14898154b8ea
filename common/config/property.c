/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all properties. */
#include "config/property.h"

#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIB (INT64_C(1024) * 1024)
#define AT(member) offsetof(struct service, member)

static const char *const lane_names[SERVED_COUNT] = { "jobs", "tasks", "urgent", "mail", "intake" };
static const char *const transports[] = { "smtp", "maildir", NULL };
static const char *const tls_modes[] = { "none", "opportunistic", "required", NULL };
static const char *const lost_logs[] = { "stop", "repair", NULL };
static const char *const log_levels[] = { "debug", "info", "warn", "error", NULL };

#define TEXT(name, member, fallback, about) \
        { .path = name,                     \
          .type = PROPERTY_TEXT,            \
          .offset = AT(member),             \
          .text = fallback,                 \
          .help = about }
#define SECRET(name, member, fallback, about) \
        { .path = name,                       \
          .type = PROPERTY_SECRET,            \
          .offset = AT(member),               \
          .text = fallback,                   \
          .help = about }
#define FILE_PATH(name, member, fallback, about) \
        { .path = name,                          \
          .type = PROPERTY_PATH,                 \
          .offset = AT(member),                  \
          .text = fallback,                      \
          .help = about }
#define CHOICE(name, member, names, fallback, about) \
        { .path = name,                              \
          .type = PROPERTY_CHOICE,                   \
          .offset = AT(member),                      \
          .choices = names,                          \
          .text = fallback,                          \
          .help = about }
#define RANGE(kind, name, member, fallback, from, to, about)                               \
        .path = name, .type = kind, .offset = AT(member), .number = fallback, .min = from, \
        .max = to, .help = about
#define INTEGER(...) { RANGE(PROPERTY_INTEGER, __VA_ARGS__) }
#define DURATION(...) { RANGE(PROPERTY_DURATION, __VA_ARGS__) }
#define TOPIC_INTEGER(...) { RANGE(PROPERTY_INTEGER, __VA_ARGS__), .applied = true }
#define TOPIC_DURATION(...) { RANGE(PROPERTY_DURATION, __VA_ARGS__), .applied = true }

const struct property service_properties[] = {
        SECRET("database.conninfo", database.conninfo, "",
               "How to reach PostgreSQL, as libpq takes it: keywords or a URI. What it leaves out "
               "comes from the PG… environment variables."),
        FILE_PATH("database.password_file", database.password_file, NULL,
                  "File with the password on one line; only its owner may read it."),
        DURATION("database.connect_timeout", database.connect_timeout_ms, 10 * SECOND, 100,
                 10 * MINUTE, "Longest wait for a connection."),
        { .path = "database.allow_data_loss",
          .type = PROPERTY_BOOL,
          .offset = AT(database.allow_data_loss),
          .help = "Lets `rollcall check` pass a server that may forget commits (fsync, "
                  "full_page_writes or synchronous_commit off): for a trial or tests." },
        TEXT("kafka.brokers", kafka.brokers, NULL,
             "Bootstrap brokers: \"host:port,host:port\". This or `kafka.embedded` must be given."),
        FILE_PATH("kafka.embedded", kafka.embedded, NULL,
                  "File that the embedded broker writes with its address; for trials and small "
                  "single-machine use."),
        { .path = "kafka.properties",
          .type = PROPERTY_PROPERTIES,
          .offset = AT(kafka.properties),
          .count = AT(kafka.n_properties),
          .help = "Passed to librdkafka as they are, each \"name=value\": TLS, SASL, tuning." },
        { .path = "kafka.secret_files",
          .type = PROPERTY_SECRET_FILES,
          .offset = AT(kafka.secret_files),
          .count = AT(kafka.n_secret_files),
          .help = "Properties whose values are secret, each \"name=path\", such as "
                  "\"sasl.password=/etc/rollcall/kafka-password\": "
                  "the file holds the value on one line, and only its owner may read it." },
        { .path = "kafka.allow_plaintext",
          .type = PROPERTY_BOOL,
          .offset = AT(kafka.allow_plaintext),
          .help = "Allows a password to be sent to the brokers without TLS (`security.protocol` "
                  "plaintext or sasl_plaintext)." },
        TEXT("kafka.prefix", kafka.prefix, "rollcall",
             "First part of every topic's and group's name."),
        INTEGER("kafka.partitions", kafka.partitions, 8, 1, 10000,
                "Partitions of each topic. Subjects are spread over so many, also when a topic has "
                "more: see docs/operating.md before it is changed."),
        TOPIC_INTEGER("kafka.replication", kafka.replication, 1, 1, 32,
                      "Copies of each partition."),
        TOPIC_DURATION("kafka.retention", kafka.retention_ms, 7 * DAY, MINUTE, 3660 * DAY,
                       "How long tasks and runs stay on their topics."),
        TOPIC_DURATION("kafka.results_retention", kafka.results_retention_ms, 30 * DAY, MINUTE,
                       3660 * DAY, "How long audit events and dead letters stay on their topics."),
        DURATION("kafka.session_timeout", kafka.session_timeout_ms, 10 * SECOND, SECOND,
                 30 * MINUTE,
                 "After so long without a heartbeat a worker's partitions are assigned to another "
                 "one."),
        INTEGER("kafka.in_flight_max_bytes", kafka.in_flight_max_bytes, 0, 0, INT64_MAX,
                "Bytes per partition that may wait unconsumed before publishing waits; 0: no "
                "limit. At most 3 MiB with the embedded broker."),
        CHOICE("kafka.lost_log", kafka.lost_log, lost_logs, "stop",
               "What to do when the next offset is not in the topic (re-created, truncated, "
               "expired): `stop` the partition until `rollcall topics repair`, or `repair` it "
               "automatically."),
        { .path = "worker.lanes",
          .type = PROPERTY_LANES,
          .offset = AT(worker.lanes),
          .help = "Lanes that a worker serves; \"intake\": the services' intake topics." },
        INTEGER("worker.threads", worker.threads, 1, 1, 64,
                "Consumers per lane, each with a database connection of its own."),
        INTEGER("worker.batch_max", worker.batch_max, 5000, 1, 100000,
                "Tasks in one transaction, at most."),
        INTEGER("worker.batch_max_bytes", worker.batch_max_bytes, 4 * MIB, 65536, 256 * MIB,
                "Bytes of tasks in one transaction, at most; arguments count as JSON."),
        DURATION("worker.drain_timeout", worker.drain_timeout_ms, 25 * SECOND, 0, HOUR,
                 "Time from SIGTERM to the end of the program, whatever it waits for."),
        DURATION("worker.lock_timeout", worker.lock_timeout_ms, 2 * SECOND, 0, HOUR,
                 "Longest wait of a statement for locks of other sessions; then the batch "
                 "continues without the tasks whose rows are locked. 0: no limit."),
        INTEGER("retry.attempts", retry.attempts, 5, 1, 1000,
                "Attempts at a task that fails by its own fault, before its subject is "
                "quarantined."),
        DURATION("retry.base", retry.base_ms, 30 * SECOND, 10, DAY,
                 "Longest wait before the second attempt; it doubles with each further one."),
        DURATION("retry.max", retry.max_ms, 15 * MINUTE, 10, 30 * DAY,
                 "Longest wait between two attempts."),
        INTEGER("retry.put_off_attempts", retry.put_off_attempts, 12, 1, 1000,
                "Attempts at a mail or webhook that the other side defers (4xx: greylisting, too "
                "many); as `retry.attempts` where only that is given."),
        DURATION("retry.put_off_base", retry.put_off_base_ms, 10 * MINUTE, 10, DAY,
                 "Longest wait before the second of these, and at least half of it; it doubles. As "
                 "`retry.base` where only that is given."),
        DURATION("retry.put_off_max", retry.put_off_max_ms, HOUR, 10, 30 * DAY,
                 "Longest wait between two of these; as `retry.max` where only that is given."),
        DURATION("retry.pause_base", retry.pause_base_ms, 30 * SECOND, 100, DAY,
                 "Wait before a paused task type is retried; it doubles with each retry that "
                 "fails."),
        DURATION("retry.version_wait", retry.version_wait_ms, 5 * MINUTE, 0, DAY,
                 "So long after its plan a run's task waits for a worker whose pack has the "
                 "version of its statement that it was planned with; then any does it. "
                 "So long a task waits whose type, or an argument of it, no pack of the worker "
                 "has; then it fails."),
        DURATION("retry.pause_max", retry.pause_max_ms, 15 * MINUTE, 100, DAY,
                 "Longest wait between two retries of a paused task type."),
        DURATION("scheduler.lease", scheduler.lease_ms, 10 * SECOND, SECOND, HOUR,
                 "How long a leader that does not renew its lease stays leader."),
        DURATION("scheduler.tick", scheduler.tick_ms, SECOND, 10, MINUTE,
                 "How often schedules are checked; less than half the lease."),
        INTEGER("scheduler.chunk", scheduler.chunk, 10000, 1, 1000000,
                "Subjects per row of a run's plan."),
        DURATION("scheduler.stuck_after", scheduler.stuck_after_ms, DAY, SECOND, 365 * DAY,
                 "An open run that has not moved for so long is reported as a problem."),
        INTEGER("aggregator.batch_max", aggregator.batch_max, 20000, 1, 1000000,
                "Audit events added to the totals in one transaction, at most."),
        INTEGER("aggregator.errors_kept", aggregator.errors_kept, 100, 0, 100000,
                "Newest errors kept per task type."),
        CHOICE("mail.transport", mail.transport, transports, "smtp",
               "Where mail goes: to a relay or into a Maildir."),
        FILE_PATH("mail.maildir", mail.maildir, NULL, "The Maildir; made when it is missing."),
        SECRET("mail.url", mail.url, NULL,
               "The relay: \"smtp://host:port\" or \"smtps://host:port\"."),
        TEXT("mail.user", mail.user, NULL, "User name at the relay; absent: no authentication."),
        FILE_PATH("mail.password_file", mail.password_file, NULL,
                  "File with the relay's password on one line; only its owner may read it."),
        CHOICE("mail.tls", mail.tls, tls_modes, NULL,
               "STARTTLS with an smtp:// relay; absent: `required` with a user name or password, "
               "else `opportunistic`."),
        FILE_PATH("mail.ca_file", mail.ca_file, NULL,
                  "Certificates to trust; absent: the system's."),
        TEXT("mail.helo", mail.helo, NULL, "Name given to the relay; absent: the host's."),
        INTEGER("mail.connections", mail.connections, 16, 1, 1000,
                "Connections to the relay, at most."),
        DURATION("mail.connect_timeout", mail.connect_timeout_ms, 10 * SECOND, 100, 10 * MINUTE,
                 "Longest wait for a connection."),
        DURATION("mail.message_timeout", mail.message_timeout_ms, MINUTE, SECOND, HOUR,
                 "Longest time for one message."),
        INTEGER("mail.batch_max", mail.batch_max, 2000, 1, 10000,
                "Messages between two records of what was sent, at most; fewer where a second is "
                "not enough for them."),
        TEXT("mail.domain", mail.domain, NULL,
             "Right side of Message-IDs; absent: the domain of the pack's from_address."),
        TEXT("alert.to", alert.to, NULL,
             "Mail address that is notified when no worker serves a lane with work, no scheduler "
             "leads, or a run does not close; absent: none."),
        TEXT("alert.from", alert.from, NULL,
             "Sender of such mails; absent: rollcall at mail.domain, or at the domain of "
             "alert.to."),
        FILE_PATH("alert.webhook_file", alert.webhook_file, NULL,
                  "File with a URL that is notified of the same, as JSON with `service`, `subject` "
                  "and `text`; only its owner may read it."),
        DURATION("alert.after", alert.after_ms, MINUTE, SECOND, DAY,
                 "How long a problem lasts before it is reported; and how long it has ended before "
                 "its end is reported."),
        FILE_PATH("reports.folder", reports.folder, "/var/lib/rollcall/reports",
                  "Folder of report files."),
        FILE_PATH("schemas.folder", schemas.folder, NULL,
                  "Folder of further Avro writer schemas (*.avsc): older or newer versions of "
                  "ours, or other services' own; absent: only ours."),
        TEXT("schemas.registry", schemas.registry, NULL,
             "Schema registry with Confluent's API, which has the schemas of intake messages in "
             "the Confluent wire format: \"https://host:port/apis/ccompat/v7\"."),
        { .path = "schemas.ids",
          .type = PROPERTY_PROPERTIES,
          .offset = AT(schemas.ids),
          .count = AT(schemas.n_ids),
          .help = "Schema ids of the Confluent wire format that need no registry, each \"ID=FILE\" "
                  "with an .avsc file." },
        { .path = "security.act_for_others",
          .type = PROPERTY_NAMES,
          .offset = AT(security.act_for_others),
          .count = AT(security.n_act_for_others),
          .help = "Database roles whose members may ask on behalf of others (`--actor NAME`); both "
                  "names are kept. `rollcall db apply` writes it. Default: nobody." },
        CHOICE("log.level", log_level, log_levels, "info",
               "Least important lines that are written."),
};
const size_t service_property_count = ARRAY_LEN(service_properties);

const char *lane_name(enum lane l)
{
        return lane_names[l];
}

bool lane_parse(const char *name, enum lane *ret)
{
        for (int i = 0; i < LANE_COUNT; i++)
                if (strcmp(lane_names[i], name) == 0) {
                        *ret = (enum lane)i;
                        return true;
                }
        return false;
}

const char *service_own(struct service *s, char *text)
{
        char **list = text ? reallocarray(s->owned, s->n_owned + 1, sizeof *list) : NULL;
        if (!list) {
                free(text);
                return NULL;
        }
        s->owned = list;
        return s->owned[s->n_owned++] = text;
}

/* `path` as seen from the folder of the configuration file. */
