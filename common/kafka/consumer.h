/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the other files of the kafka room need of the consumer. */
#include "kafka/consumer_state.h"

/* Starts fetching at `offset`; slot.next is left to the caller. */
int consumer_seek(struct kafka_consumer *c, struct slot *s, int64_t offset, struct err *e)
        MUST_CHECK;
