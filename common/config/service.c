/* The table of all properties, and what loads the service's configuration by it. */
#include "config/service.h"

#include "config/property.h"
#include "config/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIB (INT64_C(1024) * 1024)
#define AT(member) offsetof(struct service, member)

/* Below the 5 MiB per partition at which the embedded broker begins to drop. */
#define EMBEDDED_IN_FLIGHT (3 * MIB)

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
               "How to reach PostgreSQL, as libpq takes it: keywords or a URI. What it leaves out comes from the PG… environment variables."),
        FILE_PATH("database.password_file", database.password_file, NULL,
                  "File with the password on one line; only its owner may read it."),
        DURATION("database.connect_timeout", database.connect_timeout_ms, 10 * SECOND, 100,
                 10 * MINUTE, "Longest wait for a connection."),
        { .path = "database.allow_data_loss",
          .type = PROPERTY_BOOL,
          .offset = AT(database.allow_data_loss),
          .help = "Lets `rollcall check` pass a server that may forget commits (fsync, full_page_writes or synchronous_commit off): for a trial or tests." },
        TEXT("kafka.brokers", kafka.brokers, NULL,
             "Bootstrap brokers: \"host:port,host:port\". This or `kafka.embedded` must be given."),
        FILE_PATH(
                "kafka.embedded", kafka.embedded, NULL,
                "File that the embedded broker writes with its address; for trials and small single-machine use."),
        { .path = "kafka.properties",
          .type = PROPERTY_PROPERTIES,
          .offset = AT(kafka.properties),
          .count = AT(kafka.n_properties),
          .help = "Passed to librdkafka as they are, each \"name=value\": TLS, SASL, tuning." },
        { .path = "kafka.secret_files",
          .type = PROPERTY_SECRET_FILES,
          .offset = AT(kafka.secret_files),
          .count = AT(kafka.n_secret_files),
          .help = "Properties whose values are secret, each \"name=path\", such as \"sasl.password=/etc/rollcall/kafka-password\": "
                  "the file holds the value on one line, and only its owner may read it." },
        { .path = "kafka.allow_plaintext",
          .type = PROPERTY_BOOL,
          .offset = AT(kafka.allow_plaintext),
          .help = "Allows a password to be sent to the brokers without TLS (`security.protocol` plaintext or sasl_plaintext)." },
        TEXT("kafka.prefix", kafka.prefix, "rollcall",
             "First part of every topic's and group's name."),
        INTEGER("kafka.partitions", kafka.partitions, 8, 1, 10000,
                "Partitions of each topic. Subjects are spread over so many, also when a topic has more: see docs/operating.md before it is changed."),
        TOPIC_INTEGER("kafka.replication", kafka.replication, 1, 1, 32,
                      "Copies of each partition."),
        TOPIC_DURATION("kafka.retention", kafka.retention_ms, 7 * DAY, MINUTE, 3660 * DAY,
                       "How long tasks and runs stay on their topics."),
        TOPIC_DURATION("kafka.results_retention", kafka.results_retention_ms, 30 * DAY, MINUTE,
                       3660 * DAY, "How long audit events and dead letters stay on their topics."),
        DURATION(
                "kafka.session_timeout", kafka.session_timeout_ms, 10 * SECOND, SECOND, 30 * MINUTE,
                "After so long without a heartbeat a worker's partitions are assigned to another one."),
        INTEGER("kafka.in_flight_max_bytes", kafka.in_flight_max_bytes, 0, 0, INT64_MAX,
                "Bytes per partition that may wait unconsumed before publishing waits; 0: no limit. At most 3 MiB with the embedded broker."),
        CHOICE("kafka.lost_log", kafka.lost_log, lost_logs, "stop",
               "What to do when the next offset is not in the topic (re-created, truncated, expired): `stop` the partition until `rollcall topics repair`, or `repair` it automatically."),
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
        DURATION(
                "worker.lock_timeout", worker.lock_timeout_ms, 2 * SECOND, 0, HOUR,
                "Longest wait of a statement for locks of other sessions; then the batch continues without the tasks whose rows are locked. 0: no limit."),
        INTEGER("retry.attempts", retry.attempts, 5, 1, 1000,
                "Attempts at a task that fails by its own fault, before its subject is quarantined."),
        DURATION("retry.base", retry.base_ms, 30 * SECOND, 10, DAY,
                 "Longest wait before the second attempt; it doubles with each further one."),
        DURATION("retry.max", retry.max_ms, 15 * MINUTE, 10, 30 * DAY,
                 "Longest wait between two attempts."),
        INTEGER("retry.put_off_attempts", retry.put_off_attempts, 12, 1, 1000,
                "Attempts at a mail or webhook that the other side defers (4xx: greylisting, too many); as `retry.attempts` where only that is given."),
        DURATION(
                "retry.put_off_base", retry.put_off_base_ms, 10 * MINUTE, 10, DAY,
                "Longest wait before the second of these, and at least half of it; it doubles. As `retry.base` where only that is given."),
        DURATION("retry.put_off_max", retry.put_off_max_ms, HOUR, 10, 30 * DAY,
                 "Longest wait between two of these; as `retry.max` where only that is given."),
        DURATION(
                "retry.pause_base", retry.pause_base_ms, 30 * SECOND, 100, DAY,
                "Wait before a paused task type is retried; it doubles with each retry that fails."),
        DURATION(
                "retry.version_wait", retry.version_wait_ms, 5 * MINUTE, 0, DAY,
                "So long after its plan a run's task waits for a worker whose pack has the version of its statement that it was planned with; then any does it. "
                "So long a task waits whose type, or an argument of it, no pack of the worker has; then it fails."),
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
               "STARTTLS with an smtp:// relay; absent: `required` with a user name or password, else `opportunistic`."),
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
                "Messages between two records of what was sent, at most; fewer where a second is not enough for them."),
        TEXT("mail.domain", mail.domain, NULL,
             "Right side of Message-IDs; absent: the domain of the pack's from_address."),
        TEXT("alert.to", alert.to, NULL,
             "Mail address that is notified when no worker serves a lane with work, no scheduler leads, or a run does not close; absent: none."),
        TEXT("alert.from", alert.from, NULL,
             "Sender of such mails; absent: rollcall at mail.domain, or at the domain of alert.to."),
        FILE_PATH(
                "alert.webhook_file", alert.webhook_file, NULL,
                "File with a URL that is notified of the same, as JSON with `service`, `subject` and `text`; only its owner may read it."),
        DURATION(
                "alert.after", alert.after_ms, MINUTE, SECOND, DAY,
                "How long a problem lasts before it is reported; and how long it has ended before its end is reported."),
        FILE_PATH("reports.folder", reports.folder, "/var/lib/rollcall/reports",
                  "Folder of report files."),
        FILE_PATH(
                "schemas.folder", schemas.folder, NULL,
                "Folder of further Avro writer schemas (*.avsc): older or newer versions of ours, or other services' own; absent: only ours."),
        TEXT("schemas.registry", schemas.registry, NULL,
             "Schema registry with Confluent's API, which has the schemas of intake messages in the Confluent wire format: \"https://host:port/apis/ccompat/v7\"."),
        { .path = "schemas.ids",
          .type = PROPERTY_PROPERTIES,
          .offset = AT(schemas.ids),
          .count = AT(schemas.n_ids),
          .help = "Schema ids of the Confluent wire format that need no registry, each \"ID=FILE\" with an .avsc file." },
        { .path = "security.act_for_others",
          .type = PROPERTY_NAMES,
          .offset = AT(security.act_for_others),
          .count = AT(security.n_act_for_others),
          .help = "Database roles whose members may ask on behalf of others (`--actor NAME`); both names are kept. `rollcall db apply` writes it. Default: nobody." },
        CHOICE("log.level", log_level, log_levels, "info",
               "Least important lines that are written."),
};
const size_t service_property_count = ARRAY_LEN(service_properties);

const char *lane_name(enum lane l)
{
        return lane_names[l];
}

int lane_parse(const char *name, enum lane *ret)
{
        for (int i = 0; i < LANE_COUNT; i++)
                if (strcmp(lane_names[i], name) == 0) {
                        *ret = (enum lane)i;
                        return 0;
                }
        return -1;
}

void service_free(struct service *s)
{
        if (!s)
                return;
        cfg_free(s->cfg);
        free(s->kafka.properties);
        free(s->kafka.secret_files);
        free(s->kafka.secrets);
        free(s->kafka.property_names);
        free(s->schemas.ids);
        free(s->security.act_for_others);
        free(s->packs);
        service_intake_free(s->intakes, s->n_intakes);
        free(s->sources);
        for (size_t i = 0; i < LANE_COUNT; i++)
                free(s->topics[i]);
        free(s->topic_results);
        free(s->topic_dead_letters);
        for (size_t i = 0; i < s->n_owned; i++)
                free(s->owned[i]);
        free(s->owned);
        free(s);
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
static int join_path(struct service *s, const char **path, struct err *e)
{
        const char *slash = strrchr(s->file, '/');
        char *joined = NULL;
        if (!*path || **path == '/' || !slash)
                return 0;
        if (asprintf(&joined, "%.*s%s", (int)(slash + 1 - s->file), s->file, *path) < 0)
                return err_oom(e);
        *path = service_own(s, joined);
        return *path ? 0 : err_oom(e);
}

/* ---- reading ---- */

#define SERVED "\"jobs\", \"tasks\", \"urgent\", \"mail\", \"intake\""

static int read_lanes(const struct cfg_node *group, const char *key, bool *lanes, struct err *e)
{
        const struct cfg_node *list = cfg_get(group, key);
        CLEANUP(cleanup_free) const char **names = NULL;
        size_t n = 0;
        if (cfg_str_list(group, key, &names, &n, e) < 0)
                return -1;
        if (list && n == 0)
                return cfg_error(list, e, "is empty, expected at least one of %s", SERVED);
        for (size_t i = 0; i < SERVED_COUNT; i++)
                lanes[i] = !list;
        for (size_t i = 0; i < n; i++) {
                size_t served = 0;
                while (served < SERVED_COUNT && strcmp(lane_names[served], names[i]) != 0)
                        served++;
                if (served == SERVED_COUNT)
                        return cfg_unexpected(cfg_at(list, (int)i), e, "one of " SERVED);
                lanes[served] = true;
        }
        return 0;
}

static int read_pairs(const struct cfg_node *group, const char *key, const char ***list, size_t *n,
                      struct err *e)
{
        if (cfg_str_list(group, key, list, n, e) < 0)
                return -1;
        for (size_t i = 0; i < *n; i++)
                if (!strchr((*list)[i], '=') || *(*list)[i] == '=')
                        return cfg_unexpected(cfg_at(cfg_get(group, key), (int)i), e,
                                              "\"name=value\"");
        return 0;
}

static int read_secret_files(struct service *s, const struct cfg_node *group, const char *key,
                             const char ***list, size_t *n, struct err *e)
{
        if (read_pairs(group, key, list, n, e) < 0)
                return -1;
        for (size_t i = 0; i < *n; i++) {
                const char *pair = (*list)[i], *path = strchr(pair, '=') + 1;
                char *joined = NULL;
                if (join_path(s, &path, e) < 0)
                        return -1;
                if (asprintf(&joined, "%.*s=%s", (int)strcspn(pair, "="), pair, path) < 0)
                        return err_oom(e);
                (*list)[i] = service_own(s, joined);
                if (!(*list)[i])
                        return err_oom(e);
        }
        return 0;
}

static int read_duration(const struct cfg_node *group, const char *key, const struct property *p,
                         int64_t *ret, struct err *e)
{
        if (cfg_duration(group, key, p->number, ret, e) < 0)
                return -1;
        if (*ret >= p->min && *ret <= p->max)
                return 0;
        BUF_CLEANUP struct buf expected = { .max = 100 };
        buf_adds(&expected, "a time span from ");
        duration_format(p->min, &expected);
        buf_adds(&expected, " to ");
        duration_format(p->max, &expected);
        return cfg_unexpected(cfg_get(group, key), e, buf_str(&expected));
}

static int read_property(struct service *s, const struct property *p, struct err *e)
{
        char name[32];
        const char *key = strchr(p->path, '.') + 1;
        snprintf(name, sizeof name, "%.*s", (int)(key - 1 - p->path), p->path);
        const struct cfg_node *group = cfg_get(cfg_root(s->cfg), name);
        void *at = (char *)s + p->offset;
        int choice;
        switch (p->type) {
        case PROPERTY_TEXT:
        case PROPERTY_SECRET:
                return cfg_str(group, key, p->text, at, e);
        case PROPERTY_PATH:
                return cfg_str(group, key, p->text, at, e) < 0 ? -1 : join_path(s, at, e);
        case PROPERTY_CHOICE:
                if (cfg_choice(group, key, p->choices, -1, &choice, e) < 0)
                        return -1;
                *(const char **)at = choice < 0 ? p->text : p->choices[choice];
                return 0;
        case PROPERTY_INTEGER:
                return cfg_int(group, key, p->number, p->min, p->max, at, e);
        case PROPERTY_DURATION:
                return read_duration(group, key, p, at, e);
        case PROPERTY_PROPERTIES:
                return read_pairs(group, key, at, (void *)((char *)s + p->count), e);
        case PROPERTY_NAMES:
                return cfg_str_list(group, key, at, (void *)((char *)s + p->count), e);
        case PROPERTY_LANES:
                return read_lanes(group, key, at, e);
        case PROPERTY_BOOL:
                return cfg_bool(group, key, false, at, e);
        case PROPERTY_SECRET_FILES:
                return read_secret_files(s, group, key, at, (void *)((char *)s + p->count), e);
        }
        return 0;
}

enum { KEYS_MAX = 32, GROUPS_MAX = 16 };

/* Every group that the table names, each once, then the two lists "intake" and "packs". */
static void group_names(char names[GROUPS_MAX][KEYS_MAX], const char *list[GROUPS_MAX + 1])
{
        size_t n = 0;
        for (size_t i = 0; i < service_property_count; i++) {
                const char *path = service_properties[i].path;
                size_t len = strcspn(path, ".");
                if (n > 0 && strlen(names[n - 1]) == len && strncmp(names[n - 1], path, len) == 0)
                        continue;
                snprintf(names[n], KEYS_MAX, "%.*s", (int)len, path);
                list[n] = names[n];
                n++;
        }
        list[n++] = "intake";
        list[n++] = "packs";
        list[n] = NULL;
}

static int check_keys(const struct cfg_node *root, struct err *e)
{
        char names[GROUPS_MAX][KEYS_MAX];
        const char *groups[GROUPS_MAX + 1];
        group_names(names, groups);
        if (cfg_only(root, groups, e) < 0)
                return -1;
        for (size_t g = 0; groups[g + 2]; g++) {
                const struct cfg_node *group = cfg_get(root, groups[g]);
                const char *known[KEYS_MAX];
                size_t n = 0, len = strlen(groups[g]);
                for (size_t i = 0; i < service_property_count; i++)
                        if (strncmp(service_properties[i].path, groups[g], len) == 0 &&
                            service_properties[i].path[len] == '.')
                                known[n++] = service_properties[i].path + len + 1;
                known[n] = NULL;
                if (group && cfg_only(group, known, e) < 0)
                        return -1;
        }
        return 0;
}

static int read_pack(struct service *s, const struct cfg_node *n, struct service_pack *p,
                     struct err *e)
{
        static const char *const known[] = { "path", "settings", "jobs", NULL };
        if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "path", &p->path, e) < 0 ||
            join_path(s, &p->path, e) < 0)
                return -1;
        p->node = n;
        p->settings = cfg_get(n, "settings");
        p->jobs = cfg_get(n, "jobs");
        if (p->settings && !cfg_is_group(p->settings))
                return cfg_unexpected(p->settings, e, "a group { name = value; }");
        if (p->jobs && !cfg_is_list(p->jobs))
                return cfg_unexpected(p->jobs, e, "a list of groups ( { name = \"…\"; … } )");
        for (int i = 0; i < cfg_count(p->jobs); i++) {
                const char *name;
                const struct cfg_node *job = cfg_at(p->jobs, i);
                if (!cfg_is_group(job))
                        return cfg_unexpected(job, e, "a group { name = \"…\"; … }");
                if (cfg_str_required(job, "name", &name, e) < 0)
                        return -1;
        }
        return 0;
}

static int read_packs(struct service *s, struct err *e)
{
        const struct cfg_node *list = cfg_get(cfg_root(s->cfg), "packs");
        if (list && !cfg_is_list(list))
                return cfg_unexpected(list, e, "a list of groups ( { path = \"…\"; } )");
        s->n_packs = (size_t)cfg_count(list);
        s->packs = calloc(s->n_packs + 1, sizeof *s->packs);
        if (!s->packs)
                return err_oom(e);
        for (size_t i = 0; i < s->n_packs; i++)
                if (read_pack(s, cfg_at(list, (int)i), &s->packs[i], e) < 0)
                        return -1;
        return 0;
}

static int name_topics(struct service *s, struct err *e)
{
        static const char *const suffix[LANE_COUNT] = { "jobs", "tasks", "tasks.urgent",
                                                        "tasks.mail" };
        const char *prefix = s->kafka.prefix;
        if (!*prefix || strlen(prefix) > 200 ||
            strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
                    strlen(prefix))
                return cfg_unexpected(cfg_get(cfg_root(s->cfg), "kafka.prefix"), e,
                                      "1 to 200 letters, digits, '.', '_' or '-'");
        for (size_t i = 0; i < LANE_COUNT; i++)
                if (asprintf(&s->topics[i], "%s.%s", prefix, suffix[i]) < 0)
                        return err_oom(e);
        if (asprintf(&s->topic_results, "%s.results", prefix) < 0 ||
            asprintf(&s->topic_dead_letters, "%s.dead-letters", prefix) < 0)
                return err_oom(e);
        return 0;
}

/* What is set for all retries holds for deferred ones, too. */
static void follow_retry(struct service *s)
{
        const struct cfg_node *retry = cfg_get(cfg_root(s->cfg), "retry");
        if (cfg_get(retry, "attempts") && !cfg_get(retry, "put_off_attempts"))
                s->retry.put_off_attempts = s->retry.attempts;
        if (cfg_get(retry, "base") && !cfg_get(retry, "put_off_base"))
                s->retry.put_off_base_ms = s->retry.base_ms;
        if (cfg_get(retry, "max") && !cfg_get(retry, "put_off_max"))
                s->retry.put_off_max_ms = s->retry.max_ms;
}

/* What one property alone cannot tell. */
static int check_together(struct service *s, struct err *e)
{
        const struct cfg_node *root = cfg_root(s->cfg), *kafka = cfg_get(root, "kafka"),
                              *mail = cfg_get(root, "mail");
        if (!s->kafka.brokers && !s->kafka.embedded)
                return cfg_error(
                        kafka ? kafka : root, e,
                        "kafka.brokers is missing, expected \"host:port,…\" (or kafka.embedded)");
        if (s->kafka.brokers && s->kafka.embedded)
                return cfg_error(cfg_get(kafka, "embedded"), e,
                                 "given together with kafka.brokers, expected only one of them");
        if (s->scheduler.tick_ms * 2 >= s->scheduler.lease_ms)
                return cfg_error(
                        cfg_get(root, "scheduler"), e,
                        "found a tick of %lld ms, expected less than half the lease of %lld ms",
                        (long long)s->scheduler.tick_ms, (long long)s->scheduler.lease_ms);
        if (service_check_kafka(s, e) < 0)
                return -1;
        if (!s->mail.tls)
                s->mail.tls = s->mail.user || s->mail.password_file ||
                                              (s->mail.url && strchr(s->mail.url, '@'))
                                      ? "required"
                                      : "opportunistic";
        if (!mail)
                return 0;
        if (strcmp(s->mail.transport, "maildir") == 0 && !s->mail.maildir)
                return cfg_error(
                        mail, e,
                        "mail.maildir is missing, expected a folder because mail.transport is \"maildir\"");
        if (strcmp(s->mail.transport, "smtp") == 0 && !s->mail.url)
                return cfg_error(
                        mail, e,
                        "mail.url is missing, expected \"smtp://host:port\" because mail.transport is \"smtp\"");
        if (s->mail.url && strncmp(s->mail.url, "smtp://", 7) != 0 &&
            strncmp(s->mail.url, "smtps://", 8) != 0)
                return cfg_error(
                        cfg_get(mail, "url"), e,
                        "found another scheme, expected \"smtp://host:port\" or \"smtps://host:port\"");
        if (s->mail.user && !s->mail.password_file)
                return cfg_error(
                        mail, e,
                        "mail.password_file is missing, expected a file because mail.user is given");
        return 0;
}

int service_read(const char *path, bool found, struct service **ret, struct err *e)
{
        CLEANUP(service_cleanup) struct service *s = calloc(1, sizeof *s);
        if (!s)
                return err_oom(e);
        s->found = found;
        s->file = service_own(s, strdup(path));
        if (!s->file)
                return err_oom(e);
        if (cfg_load(path, &s->cfg, e) < 0 || (found && cfg_trusted(s->cfg, e) < 0) ||
            check_keys(cfg_root(s->cfg), e) < 0)
                return -1;
        for (size_t i = 0; i < service_property_count; i++)
                if (read_property(s, &service_properties[i], e) < 0)
                        return -1;
        if (read_packs(s, e) < 0 || check_together(s, e) < 0 || name_topics(s, e) < 0 ||
            service_intakes(s, e) < 0 || service_name_kafka(s, e) < 0)
                return -1;
        follow_retry(s);
        int64_t *in_flight = &s->kafka.in_flight_max_bytes;
        if (s->kafka.embedded && (*in_flight == 0 || *in_flight > EMBEDDED_IN_FLIGHT))
                *in_flight = EMBEDDED_IN_FLIGHT;
        *ret = TAKE(s);
        return 0;
}
