/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages of a lane as entries. */
#include "lane_worker.h"

/* Decodes the message of an entry and admits its task; it comes out as a dead letter, or decided,
 * where that fails. -1: not the message's fault. */
int decode_entry(struct lane_worker *w, struct entry *en, int64_t now_ms, struct err *e) MUST_CHECK;
/* A batch that Kafka gave, but that cannot be read, is a dead letter; it is logged. */
void decode_unreadable(struct lane_worker *w, struct entry *en, const struct kafka_message *m);
