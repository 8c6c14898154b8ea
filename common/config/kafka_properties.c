/* SPDX-License-Identifier: Apache-2.0 */
/* What may be handed to librdkafka: nothing that loads code or runs a program, and no password
 * where it would cross the network unencrypted. */
#include "base/redact.h"
#include "config/property.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* By librdkafka's CONFIGURATION.md. A configuration says what Rollcall does; it is not a way to run
 * somebody's library. */
static const char *const loads_code[] = {
        "plugin.library.paths",
        "sasl.kerberos.kinit.cmd",
        "ssl.engine.location",
        "ssl.engine.id",
        "ssl.engine.callback.data",
        "ssl.provider",
        "ssl.providers",
        "ssl.provider.location",
        "interceptors",
        "opaque",
        "default_topic_conf",
};

static bool is_refused(const char *name, size_t len)
{
        for (size_t i = 0; i < ARRAY_LEN(loads_code); i++)
                if (strlen(loads_code[i]) == len && strncmp(loads_code[i], name, len) == 0)
                        return true;
        return len > 3 && strncmp(name + len - 3, "_cb", 3) == 0;
}

static int check_list(const struct cfg_node *list, const char *const *pairs, size_t n,
                      struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                size_t len = strcspn(pairs[i], "=");
                if (is_refused(pairs[i], len))
                        return cfg_error(cfg_at(list, (int)i), e,
                                         "%.*s loads code or runs a program: leave it out",
                                         (int)len, pairs[i]);
        }
        return 0;
}

/* The value of the last property of that name, as librdkafka takes it. */
static const char *value_of(const struct service *s, const char *name)
{
        const char *found = NULL;
        size_t len = strlen(name);
        for (size_t i = 0; i < s->kafka.n_properties; i++)
                if (strncmp(s->kafka.properties[i], name, len) == 0 &&
                    s->kafka.properties[i][len] == '=')
                        found = s->kafka.properties[i] + len + 1;
        return found;
}

static const char *first_secret(const char *const *pairs, size_t n, int *at)
{
        for (size_t i = 0; i < n; i++)
                if (redact_names_secret(pairs[i], strcspn(pairs[i], "="))) {
                        *at = (int)i;
                        return pairs[i];
                }
        return NULL;
}

int service_check_kafka(const struct service *s, struct err *e)
{
        const struct cfg_node *root = cfg_root(s->cfg), *list = cfg_get(root, "kafka.properties"),
                              *files = cfg_get(root, "kafka.secret_files");
        if (check_list(list, s->kafka.properties, s->kafka.n_properties, e) < 0 ||
            check_list(files, s->kafka.secret_files, s->kafka.n_secret_files, e) < 0)
                return -1;
        const char *protocol = value_of(s, "security.protocol");
        bool plain = !protocol || strcasecmp(protocol, "plaintext") == 0 ||
                     strcasecmp(protocol, "sasl_plaintext") == 0;
        int at;
        const char *secret = first_secret(s->kafka.properties, s->kafka.n_properties, &at);
        if (!secret) {
                list = files;
                secret = first_secret(s->kafka.secret_files, s->kafka.n_secret_files, &at);
        }
        if (!secret || !plain || s->kafka.allow_plaintext)
                return 0;
        return cfg_error(cfg_at(list, at), e,
                         "%.*s is given, but security.protocol is %s, which does not encrypt: set "
                         "it to sasl_ssl or ssl, "
                         "or allow a password without TLS by kafka.allow_plaintext = true",
                         (int)strcspn(secret, "="), secret,
                         protocol ? protocol : "plaintext (the default)");
}

/* A file that cannot be read is an error of whoever needs a broker, not of a program that needs
 * only the database. */
static int read_secrets(struct service *s, struct err *e)
{
        s->kafka.secrets = calloc(s->kafka.n_secret_files + 1, sizeof *s->kafka.secrets);
        if (!s->kafka.secrets)
                return err_oom(e);
        for (size_t i = 0; i < s->kafka.n_secret_files; i++) {
                struct err why = ERR_INIT;
                char *secret = NULL, *text = NULL;
                const char *pair = s->kafka.secret_files[i];
                if (secret_read(strchr(pair, '=') + 1, &secret, &why) == 0) {
                        s->kafka.secrets[i] = service_own(s, secret);
                        if (!s->kafka.secrets[i])
                                return err_oom(e);
                        continue;
                }
                if (asprintf(&text, "kafka.secret_files: %s", why.text) < 0 ||
                    !(s->kafka.secrets_fault = service_own(s, text)))
                        return err_oom(e);
        }
        return 0;
}

/* librdkafka takes name and value apart; those whose values stand in files come last. */
int service_name_kafka(struct service *s, struct err *e)
{
        size_t plain = s->kafka.n_properties, n = plain + s->kafka.n_secret_files;
        s->kafka.property_names = calloc(n + 1, sizeof *s->kafka.property_names);
        if (!s->kafka.property_names)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                const char *pair = i < plain ? s->kafka.properties[i]
                                             : s->kafka.secret_files[i - plain];
                s->kafka.property_names[i] = service_own(s, strndup(pair, strcspn(pair, "=")));
                if (!s->kafka.property_names[i])
                        return err_oom(e);
        }
        return read_secrets(s, e);
}
