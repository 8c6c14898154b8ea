/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Requested tasks (rollcall.request, kind 'tasks') are published at once: small requests before
 * large ones, each lane by itself, so that neither a large request nor a lane that takes no more
 * delays the others.
 */
#include "context.h"

struct requests;

int requests_new(struct context *c, struct requests **ret, struct err *e) MUST_CHECK;
void requests_free(struct requests *q);
DEFINE_CLEANUP(requests_cleanup, struct requests, requests_free)

void requests_notified(struct requests *q); /* there may be new ones */
/* Publishes for a moment what there is, and records what is acknowledged. 0: there is nothing, or
 * all of it waits; WORK_LEFT; LEAD_LOST; -1. */
int requests_work(struct requests *q, struct err *e) MUST_CHECK;
bool requests_acked(struct requests *q, uint64_t token); /* false: it is somebody else's token */
bool requests_pending(const struct requests *q); /* something is not recorded as published yet */
/* Forgets what is being published: it is read from the table again. */
void requests_reset(struct requests *q);
/* Records what is acknowledged by now. */
int requests_checkpoint(struct requests *q, struct err *e) MUST_CHECK;
