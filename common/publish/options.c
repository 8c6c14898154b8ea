#include "publish/publish.h"

#include "kafka/kafka.h"

#include <string.h>

void kafka_options_of(const struct service *s, const char *client_id, struct kafka_property *storage, size_t max, struct kafka_options *ret)
{
        size_t n = s->kafka.n_properties < max ? s->kafka.n_properties : max;
        for (size_t i = 0; i < n; i++)
                storage[i] = (struct kafka_property){ s->kafka.property_names[i], strchr(s->kafka.properties[i], '=') + 1 };
        *ret = (struct kafka_options){
                .brokers = s->kafka.brokers,
                .embedded = s->kafka.embedded,
                .client_id = client_id,
                .partitions = (int)s->kafka.partitions,
                .properties = storage,
                .n_properties = n,
        };
}
