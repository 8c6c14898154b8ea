/* SPDX-License-Identifier: Apache-2.0 */
/* Turns the configuration into options for a Kafka client. */
#include "publish/kafka_options.h"

#include <string.h>

int kafka_options_of(const struct service *s, const char *client_id, struct kafka_property *storage,
                     size_t max, struct kafka_options *ret, struct err *e)
{
        size_t plain = s->kafka.n_properties, n = plain + s->kafka.n_secret_files;
        if (s->kafka.secrets_fault)
                return err_set(e, ERR_FATAL, "", "%s", s->kafka.secrets_fault);
        if (n > max)
                return err_set(e, ERR_FATAL, "",
                               "%s: %zu Kafka properties, but at most %zu are allowed", s->file, n,
                               max);
        for (size_t i = 0; i < n; i++) {
                const char *value = i < plain ? strchr(s->kafka.properties[i], '=') + 1
                                              : s->kafka.secrets[i - plain];
                storage[i] = (struct kafka_property){ s->kafka.property_names[i], value };
        }
        *ret = (struct kafka_options){
                .brokers = s->kafka.brokers,
                .embedded = s->kafka.embedded,
                .client_id = client_id,
                .partitions = (int)s->kafka.partitions,
                .properties = storage,
                .n_properties = n,
        };
        return 0;
}
