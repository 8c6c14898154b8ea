/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Opening and closing what a lane worker needs. What failed is closed, and opened again. */
#include "lane_worker.h"

int resources_open(struct lane_worker *w, struct err *e) MUST_CHECK; /* once: memory, codec */
int resources_open_database(struct lane_worker *w, struct err *e) MUST_CHECK;
/* The publisher, and the membership of the group. */
int resources_open_kafka(struct lane_worker *w, struct err *e) MUST_CHECK;
void resources_close_session(struct lane_worker *w); /* of the database; the batch is kept */
void resources_close_database(struct lane_worker *w);
void resources_leave_group(struct lane_worker *w);
void resources_close_publisher(struct lane_worker *w);
void resources_close(struct lane_worker *w);
