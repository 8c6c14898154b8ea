/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The services' intake topics. */
#include "lane_worker.h"

int take_intake_open(struct lane_worker *w, struct err *e) MUST_CHECK; /* once */
/* Reads, checks, writes requests and answers; publishes the answers. 0, TRANSACTION_FENCED, -1. */
int take_intake(struct lane_worker *w, struct kafka_message *list, size_t n, struct err *e)
        MUST_CHECK;
/* Resumes partitions whose wait is over. */
int take_intake_resume(struct lane_worker *w, struct err *e) MUST_CHECK;
