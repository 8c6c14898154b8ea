#pragma once
/* The topics that a service uses, as the configuration wants them. */
#include "cli.h"

#include "kafka/kafka.h"

enum { TOPIC_COUNT = LANE_COUNT + 2 };

struct topics {
        struct kafka_topic_spec list[TOPIC_COUNT];
        const char *lane[TOPIC_COUNT]; /* "results", "dead-letters" or the lane's name */
        char retention[2][24];
        struct kafka_property config[2];
};

/* `ret` must not be moved afterwards: it points into itself and into `s`. */
void topics_of(const struct service *s, struct topics *ret);
