/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the service's configuration by the table of properties. */
#include "config/intake.h"

#include "config/cfg_words.h"
#include "config/property.h"
#include "config/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (INT64_C(1024) * 1024)
/* Below the 5 MiB per partition at which the embedded broker begins to drop. */
#define EMBEDDED_IN_FLIGHT (3 * MIB)

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
        const char **names CLEANUP(cleanup_free) = NULL;
        size_t n = 0;
        if (cfg_str_list(group, key, &names, &n, e) < 0)
                return -1;
        if (list && n == 0)
                return cfg_error(list, e, "is empty, expected at least one of %s", SERVED);
        for (size_t i = 0; i < SERVED_COUNT; i++)
                lanes[i] = !list;
        for (size_t i = 0; i < n; i++) {
                size_t served = 0;
                while (served < SERVED_COUNT && strcmp(lane_name((enum lane)served), names[i]) != 0)
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

/* What depends on several properties. */
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
                return cfg_error(mail, e,
                                 "mail.maildir is missing, expected a folder because "
                                 "mail.transport is \"maildir\"");
        if (strcmp(s->mail.transport, "smtp") == 0 && !s->mail.url)
                return cfg_error(mail, e,
                                 "mail.url is missing, expected \"smtp://host:port\" because "
                                 "mail.transport is \"smtp\"");
        if (s->mail.url && strncmp(s->mail.url, "smtp://", 7) != 0 &&
            strncmp(s->mail.url, "smtps://", 8) != 0)
                return cfg_error(cfg_get(mail, "url"), e,
                                 "found another scheme, expected \"smtp://host:port\" or "
                                 "\"smtps://host:port\"");
        if (s->mail.user && !s->mail.password_file)
                return cfg_error(mail, e,
                                 "mail.password_file is missing, expected a file because mail.user "
                                 "is given");
        return 0;
}

int service_read(const char *path, bool found, struct service **ret, struct err *e)
{
        struct service *s CLEANUP(service_cleanup) = calloc(1, sizeof *s);
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
