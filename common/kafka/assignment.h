/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which partitions the group has assigned to a consumer. Inside the kafka room only. */
#include "kafka/consumer_state.h"

/* For rd_kafka_conf_set_rebalance_cb; `opaque` is the consumer. */
void assignment_callback(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque);
/* Applies the pending assignment, if it is time. -1: `assigned` or librdkafka refused it. */
int assignment_apply(struct kafka_consumer *c, struct err *e) MUST_CHECK;
bool assignment_close(struct kafka_consumer *c); /* false: the group could not be left in time */
struct slot *assignment_find(struct kafka_consumer *c, const char *topic, int32_t partition);
struct slot *assignment_of(struct kafka_consumer *c, const rd_kafka_message_t *m);
/* Pauses and resumes the partitions as c->idle and their own `pause_requested` say. */
int assignment_apply_pause(struct kafka_consumer *c, struct err *e) MUST_CHECK;
