/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The consumer, its membership of the group, and the claims of the partitions it is assigned. */
#include "aggregator/aggregator.h"

/* Creates the consumer unless it is there. Not negative: enum availability. -1: fatal. */
int membership_need_consumer(struct aggregator *a, struct err *e) MUST_CHECK;

/* Leaves the group, after the batch was stored; the next step joins it. librdkafka cannot seek a
 * partition whose start is not on the broker. */
void membership_leave(struct aggregator *a);

/* Claims partitions that are unclaimed, checks those that are quiet, and leaves the group if it
 * assigns nothing although the ledger says otherwise. -1: error, also one that passes. */
int membership_maintain(struct aggregator *a, struct err *e) MUST_CHECK;
