/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Backpressure for the embedded broker, which keeps 5 MiB of a partition and then drops messages
 * without an error: publishing waits while what nobody has consumed yet, by rollcall.position, is
 * near kafka.in_flight_max_bytes. Inside the publish room only.
 */
#include "config/service.h"

struct throttle;

/* NULL in `ret` if there is no limit; all functions below accept that. `exempt_topic` is never
 * throttled; may be NULL. `name`: of the connection to the database. Both live as long. */
int throttle_new(const struct service *s, const char *exempt_topic, const char *name,
                 struct throttle **ret, struct err *e) MUST_CHECK;
void throttle_free(struct throttle *t);

/* Must publishing to the topic wait? */
bool throttle_blocks(struct throttle *t, const char *topic);
/* Did it have to since the last refresh? */
bool throttle_is_waiting(const struct throttle *t);

void throttle_sent(struct throttle *t, const char *topic, size_t bytes);
/* `ok` false: the message was not acknowledged. */
void throttle_delivered(struct throttle *t, const char *topic, int32_t partition, int64_t offset,
                        bool ok);

/* Reads how far the topics have been consumed, if publishing waits and it is time. While the
 * database is unavailable, publishing waits. */
void throttle_refresh(struct throttle *t, const char *cluster);

enum { THROTTLE_REFRESH_MS = 20 };
