/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Claims of the partitions that the consumer group assigns: see struct membership_owner. */
#include "lane_worker.h"

/* For the membership: `ctx` is the lane worker. */
int claims_assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e) MUST_CHECK;
void claims_flush(void *ctx);
void claims_release(void *ctx, const struct kafka_partition *list, size_t n, bool busy);

/* What was revoked while a transaction was under way, which has ended, is not ours any more. */
void claims_drop_revoked(struct lane_worker *w);
enum claims { CLAIMS_RENEWED = 0, CLAIMS_LOST = 1 };
/* Claims all owned partitions again on a new connection, and moves the consumer to where the table
 * says. LOST: one is somebody else's, or must be assigned again. */
int claims_renew(struct lane_worker *w, struct err *e) MUST_CHECK;
/* When everything handed to the publisher has been acknowledged: so has everything decided. */
void claims_note_acknowledged(struct lane_worker *w);
