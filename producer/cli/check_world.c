/* What lies around the packs: our tables, the topics, the mail relay, folders and secrets. */
#include "check.h"
#include "topics.h"

#include "ledger/ledger.h"
#include "mail/transport.h"
#include "publish/publish.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        KAFKA_TIMEOUT_MS = 5000,
        QUEUE_BYTES = 2 * 1024 * 1024,
        PROPERTIES_MAX = 64,
        SERVER_MIN = 150000
};

static void check_registered(struct check *k, struct db *d, const struct packs *all)
{
        struct err e = ERR_INIT;
        struct type_numbers *numbers = NULL;
        if (type_numbers_load(d, all, &numbers, &e) < 0)
                check_fail(k, "task types", "", "%s", e.text);
        else
                check_ok(k, "task types", "", "all are registered in the database");
        type_numbers_free(numbers);
}

static void check_role(struct check *k, struct db *d, const struct pack *p, const char *what,
                       const char *name, const char *role)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct db_params *q CLEANUP(db_params_cleanup) = role ? db_params_new(4096) : NULL;
        char where[300];
        if (!role)
                return;
        snprintf(where, sizeof where, "%s.%s", p->name, name);
        if (!q) {
                check_fail(k, what, where, "out of memory");
                return;
        }
        db_add_str(q, role);
        if (db_query(d, "select from pg_catalog.pg_roles where rolname = $1", q, &r, &e) < 0)
                check_fail(k, what, where, "%s", e.text);
        else if (db_rows(r) == 0)
                check_fail(
                        k, what, where,
                        "requires_role is \"%s\", and the database has no such role: nobody can ask for it; create the role and grant it to those who may",
                        role);
        else
                check_ok(k, what, where, "is for members of the role \"%s\"", role);
}

static void check_roles(struct check *k, struct db *d, const struct packs *all)
{
        for (size_t i = 0; i < all->n; i++) {
                const struct pack *p = all->list[i];
                for (size_t j = 0; j < p->n_types; j++)
                        check_role(k, d, p, "task type", p->types[j].name,
                                   p->types[j].requires_role);
                for (size_t j = 0; j < p->n_commands; j++)
                        check_role(k, d, p, "command", p->commands[j].name,
                                   p->commands[j].requires_role);
        }
}

bool check_database(struct check *k, struct db *d, const char *prefix, const struct packs *all)
{
        struct err e = ERR_INIT;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int version = db_server_version(d);
        if (db_query(
                    d,
                    "select current_database()::text, pg_encoding_to_char(encoding)::text from pg_database where datname = current_database()",
                    NULL, &r, &e) < 0) {
                check_fail(k, "database", "", "%s", e.text);
                return false;
        }
        if (version < SERVER_MIN)
                check_fail(k, "database", db_str(r, 0, 0),
                           "PostgreSQL %d is too old, 15 or newer is needed", version / 10000);
        else if (strcmp(db_str(r, 0, 1), "UTF8") != 0)
                check_fail(k, "database", db_str(r, 0, 0), "its encoding is %s, UTF8 is needed",
                           db_str(r, 0, 1));
        else
                check_ok(k, "database", db_str(r, 0, 0), "PostgreSQL %d.%d, UTF8", version / 10000,
                         version % 10000);
        check_durability(k, d);
        if (ledger_check(d, prefix, &e) < 0) {
                check_fail(k, "ledger", "schema rollcall", "%s", e.text);
                return false;
        }
        check_ok(k, "ledger", "schema rollcall", "version %d", LEDGER_VERSION);
        check_tables(k, d);
        if (all) {
                check_registered(k, d, all);
                check_roles(k, d, all);
        }
        return true;
}

static void check_topic(struct check *k, struct kafka_producer *p, const struct kafka_topic_spec *t)
{
        struct err e = ERR_INIT;
        enum topic_change change;
        if (kafka_topic_apply(p, t, true, &change, &e) < 0)
                check_fail(k, "topic", t->name, "%s", e.text);
        else if (change == TOPIC_CREATED)
                check_fail(k, "topic", t->name, "it does not exist; run: rollcall topics apply");
        else if (change == TOPIC_GROWN)
                check_fail(
                        k, "topic", t->name,
                        "it has fewer partitions than the %d configured; run: rollcall topics apply",
                        t->partitions);
        else
                check_ok(k, "topic", t->name,
                         change == TOPIC_LARGER
                                 ? "more partitions than the %d configured, which does no harm"
                                 : "%d partitions",
                         t->partitions);
}

void check_topics(struct check *k)
{
        struct kafka_property storage[PROPERTIES_MAX];
        struct kafka_options o;
        struct err e = ERR_INIT;
        struct kafka_producer *p CLEANUP(kafka_producer_cleanup) = NULL;
        if (kafka_options_of(k->cli->service, "rollcall-check", storage, PROPERTIES_MAX, &o, &e) <
            0) {
                check_fail(k, "kafka", "", "%s", e.text);
                return;
        }
        const char *address = o.embedded ? o.embedded : o.brokers;
        if (kafka_producer_new(&o, QUEUE_BYTES, NULL, NULL, &p, &e) < 0) {
                check_fail(k, "kafka", address, "%s", e.text);
                return;
        }
        const char *cluster = kafka_producer_cluster(p, KAFKA_TIMEOUT_MS);
        if (!cluster) {
                check_fail(k, "kafka", address, "no broker answered within %d s",
                           KAFKA_TIMEOUT_MS / 1000);
                return;
        }
        check_ok(k, "kafka", address, "cluster %s", cluster);
        struct topics topics;
        topics_of(k->cli->service, &topics);
        for (size_t i = 0; i < topics.n; i++)
                check_topic(k, p, &topics.list[i]);
}

static bool any_email(const struct packs *all)
{
        for (size_t i = 0; all && i < all->n; i++)
                for (size_t j = 0; j < all->list[i]->n_types; j++)
                        if (all->list[i]->types[j].action == ACTION_EMAIL)
                                return true;
        return false;
}

static int open_transport(const struct service *s, char **password, struct transport **ret,
                          struct err *e)
{
        if (strcmp(s->mail.transport, "maildir") == 0)
                return transport_maildir(s->mail.maildir, ret, e);
        if (s->mail.password_file && secret_read(s->mail.password_file, password, e) < 0)
                return -1;
        struct smtp_options o = {
                .url = s->mail.url,
                .user = s->mail.user,
                .password = *password,
                .tls = s->mail.tls,
                .ca_file = s->mail.ca_file,
                .helo = s->mail.helo,
                .connections = 1,
                .connect_timeout_ms = (long)s->mail.connect_timeout_ms,
                .message_timeout_ms = (long)s->mail.message_timeout_ms,
        };
        return transport_smtp(&o, ret, e);
}

void check_mail(struct check *k, const struct packs *all)
{
        const struct service *s = k->cli->service;
        struct err e = ERR_INIT;
        bool maildir = strcmp(s->mail.transport, "maildir") == 0;
        const char *where = maildir ? s->mail.maildir : s->mail.url;
        if (!where) { /* the configuration allows it as long as nobody sends mail */
                if (any_email(all))
                        check_fail(k, "mail", "", "packs send mail, but %s is not configured",
                                   maildir ? "mail.maildir" : "mail.url");
                return;
        }
        char *password CLEANUP(cleanup_free) = NULL;
        struct transport *t CLEANUP(transport_cleanup) = NULL;
        if (open_transport(s, &password, &t, &e) < 0 || transport_probe(t, &e) < 0)
                check_fail(k, "mail", maildir ? where : "relay", "%s", e.text);
        else
                check_ok(k, "mail", maildir ? where : "relay",
                         maildir ? "the Maildir can be written" : "it answers");
}

static void check_secret(struct check *k, const struct task_type *t, const char *path, bool is_key)
{
        struct err e = ERR_INIT;
        struct signing_key key = { .len = 0 };
        char *secret CLEANUP(cleanup_free) = NULL;
        const char *what = is_key ? "signing key" : "URL";
        if (secret_read(path, &secret, &e) < 0)
                check_note(
                        k, "webhook", t->full_name,
                        "its %s cannot be read by this user; the workers need it once the webhook is switched on: %s",
                        what, e.text);
        else if (is_key && signing_key_read(secret, &key, &e) < 0)
                check_fail(k, "webhook", t->full_name, "%s: %s", path, e.text);
        else
                check_ok(k, "webhook", t->full_name,
                         is_key ? "its signing key can be read" : "its URL can be read");
        explicit_bzero(&key, sizeof key);
}

void check_folders(struct check *k, const struct packs *all)
{
        const char *folder = k->cli->service->reports.folder;
        bool reports = false;
        for (size_t i = 0; all && i < all->n; i++)
                for (size_t j = 0; j < all->list[i]->n_types; j++) {
                        const struct task_type *t = &all->list[i]->types[j];
                        reports = reports || t->action == ACTION_REPORT ||
                                  t->action == ACTION_FILES;
                        if (t->action == ACTION_WEBHOOK && t->webhook.url_file)
                                check_secret(k, t, t->webhook.url_file, false);
                        if (t->action == ACTION_WEBHOOK && t->webhook.secret_file)
                                check_secret(k, t, t->webhook.secret_file, true);
                }
        if (reports && access(folder, W_OK | X_OK) == 0)
                check_ok(k, "reports.folder", folder, "can be written");
        else if (reports)
                check_fail(
                        k, "reports.folder", folder,
                        "the folder is missing or this user may not write into it: create it for the service's user");
}
