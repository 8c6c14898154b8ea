#pragma once
/* The topics that a service uses, as the configuration wants them. */
#include "cli.h"

#include "kafka/kafka.h"

enum { TOPICS_MAX = LANE_COUNT + INTAKES_MAX + 2 };

struct topics {
        struct kafka_topic_spec list[TOPICS_MAX];
        size_t n;
        const char *lane[TOPICS_MAX]; /* "results", "dead-letters", "intake" or the lane's name */
        char retention[2][24];
        struct kafka_property config[2];
};

/* `ret` must not be moved afterwards: it points into itself and into `s`. */
void topics_of(const struct service *s, struct topics *ret);
