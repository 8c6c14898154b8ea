/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The embedded broker: librdkafka's mock cluster inside a process of ours. In memory only, 5 MiB
 * per partition (older messages are dropped silently), no transactions. For a first look, small
 * single-machine use, and hermetic tests.
 */
#include "base/err.h"

struct embedded;

/*
 * Starts it and writes "bootstrap=HOST:PORT", "control=PORT" and "cluster=embedded-UUID", a line
 * each, to `path` (mode 0600, by rename). The cluster id is new at every start, so positions of an
 * earlier broker are never inherited. The mock cluster has no admin requests; clients of kafka.h
 * create topics over the control port (loopback): kafka_topic_apply with the partitions given,
 * any other first use of a topic with `default_partitions`. Topics cannot grow.
 */
int embedded_start(const char *path, int default_partitions, struct embedded **ret, struct err *e)
        MUST_CHECK;
void embedded_stop(struct embedded *b); /* removes the file, if it is still ours */
