/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The embedded broker as a client sees it. Inside the kafka room only. */
#include "kafka/kafka.h"

#include <netinet/in.h>

/* Where an embedded broker is: the content of its file. */
struct embedded_address {
        char bootstrap[128];
        char cluster[KAFKA_CLUSTER_ID_MAX];
        int control; /* port on the loopback address */
};

/* ERR_RETRY: it is not running. ERR_FATAL: the file is of something else. */
int embedded_read(const char *path, struct embedded_address *ret, struct err *e) MUST_CHECK;

/* Is the broker of the file another one than `known`? False without a file, and for `path` NULL. */
bool embedded_restarted(const char *path, const struct embedded_address *known);

/* Not negative: see embedded_create_topic. */
enum embedded_topic { TOPIC_ADDED, TOPIC_EXISTED };

/* Creates the topic unless it exists. `partitions` 0: the broker's default. -1: error. */
int embedded_create_topic(const struct embedded_address *a, const char *topic, int partitions,
                          struct err *e) MUST_CHECK;

/* ---- the control port: "TOPIC PARTITIONS\n" is answered by "created", "exists" or "error TEXT" */

enum { EMBEDDED_LINE_MAX = KAFKA_TOPIC_MAX + 64 };

struct sockaddr_in embedded_loopback(int port);
void embedded_set_timeouts(int fd);
/* One line without its end. False: the peer is slow, has closed the connection, or sends more. */
bool embedded_read_line(int fd, char line[EMBEDDED_LINE_MAX]);
