/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The topics that a service uses, as the configuration wants them. */
#include "cli.h"

#include "kafka/kafka.h"

enum { TOPICS_MAX = LANE_COUNT + INTAKES_MAX + 2 };

enum { TOPIC_LANE, TOPIC_INTAKE, TOPIC_RESULTS, TOPIC_KINDS, TOPIC_PROPERTIES = 3 };

struct topics {
        struct kafka_topic_spec list[TOPICS_MAX];
        size_t n;
        const char *lane[TOPICS_MAX]; /* "results", "dead-letters", "intake" or the lane's name */
        char retention[TOPIC_KINDS][24];
        struct kafka_property config[TOPIC_KINDS][TOPIC_PROPERTIES];
};

/* `ret` must not be moved afterwards: it points into itself and into `s`. */
void topics_of(const struct service *s, struct topics *ret);
