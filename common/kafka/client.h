/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the consumer, the producer and the administration share. Inside the kafka room only: it
 * shows librdkafka. */
#include "kafka/embedded_client.h"
#include "kafka/kafka.h"

#include <librdkafka/rdkafka.h>

struct client_setting {
        const char *name, *value;
        bool optional; /* newer versions only: left out where librdkafka does not know it */
};

/* A configuration with the defaults of both kinds of client, `settings`, and the caller's
 * properties, in this order. `address` is filled when o->embedded is set. */
int client_conf(const struct kafka_options *o, const struct client_setting *settings, size_t n,
                struct embedded_address *address, rd_kafka_conf_t **ret, struct err *e) MUST_CHECK;
/* Takes `conf` in any case. */
int client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct err *e)
        MUST_CHECK;
/* The cluster's id into `id`; false when no broker answered in time. */
bool client_cluster(rd_kafka_t *rk, int timeout_ms, char id[KAFKA_CLUSTER_ID_MAX]);

/* The partition's first or last offset, by RD_KAFKA_OFFSET_BEGINNING or _END, of the n partitions
 * from `first` on. */
int client_offsets(rd_kafka_t *rk, const char *topic, int32_t first, int n, int64_t which,
                   int64_t *ret, int timeout_ms, struct err *e) MUST_CHECK;

/* The partitions of `topic`; 0 when there is no such topic. `rkt` NULL: requests the list of
 * all topics, which never creates one. */
int client_partitions(rd_kafka_t *rk, rd_kafka_topic_t *rkt, const char *topic, int timeout_ms,
                      struct err *e);

/* Fills `e` with librdkafka's name and our class for `code`; the text ends in librdkafka's own.
 * Returns -1. */
int client_err(struct err *e, rd_kafka_resp_err_t code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void client_log(const rd_kafka_t *rk, int level, const char *facility, const char *text);

DEFINE_CLEANUP(tplist_cleanup, rd_kafka_topic_partition_list_t,
               rd_kafka_topic_partition_list_destroy)
