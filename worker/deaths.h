/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tasks that kill the worker. */
#include "lane_worker.h"

/* Is one task of the partition to be done at a time? */
bool deaths_is_careful(const struct lane_partition *x);
/* A partition was just claimed; its topic ends at offset `high`. */
void deaths_note_claim(struct lane_worker *w, struct lane_partition *x, int64_t high);
/* A task is about to be done alone: its offset is saved, or it is quarantined (in state `decided`)
 * when it killed its workers. */
int deaths_begin_task(struct lane_worker *w, struct entry *en, enum entry_state decided,
                      struct err *e) MUST_CHECK;
/* It is done: back to whole batches? */
int deaths_end_task(struct lane_worker *w, struct lane_partition *x, struct err *e) MUST_CHECK;
/* Our partitions are left in order: this is no death. */
void deaths_leave_in_order(struct lane_worker *w);
