/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka as `rollcall check` looks at it. */
#include "check_kafka.h"
#include "topics.h"

#include "publish/kafka_options.h"

enum { KAFKA_TIMEOUT_MS = 5000, QUEUE_BYTES = 2 * 1024 * 1024, PROPERTIES_MAX = 64 };

static void check_topic(struct check *k, struct kafka_producer *p, const struct kafka_topic_spec *t)
{
        struct err e = ERR_INIT;
        enum topic_change change;
        if (kafka_topic_apply(p, t, true, &change, &e) < 0)
                check_fail(k, "topic", t->name, "%s", e.text);
        else if (change == TOPIC_CREATED)
                check_fail(k, "topic", t->name, "it does not exist; run: rollcall topics apply");
        else if (change == TOPIC_GROWN)
                check_fail(k, "topic", t->name,
                           "it has fewer partitions than the %d configured; run: rollcall topics "
                           "apply",
                           t->partitions);
        else
                check_ok(k, "topic", t->name,
                         change == TOPIC_LARGER
                                 ? "more partitions than the %d configured, which does no harm"
                                 : "%d partitions",
                         t->partitions);
}

void check_kafka(struct check *k)
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
