/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Kafka's part of the service's configuration. */
#include "config/service.h"
#include "kafka/kafka.h"

/* The options for a Kafka client of this service; they point into the configuration and into
 * `storage`, which has room for `max` properties. ERR_FATAL: too many properties, or a file with a
 * secret cannot be read. */
int kafka_options_of(const struct service *s, const char *client_id, struct kafka_property *storage,
                     size_t max, struct kafka_options *ret, struct err *e) MUST_CHECK;
