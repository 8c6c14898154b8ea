/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Finds the problems that nobody else would report: no scheduler, no worker for a lane with work,
 * runs that do not close. A problem that has lasted for alert.after is reported once, and its end,
 * too. The leading scheduler watches; while there is none an aggregator does. rollcall.alert has
 * what was reported.
 */
#include "config/service.h"
#include "db/db.h"

struct kafka_producer;
struct packs;
struct watch;

/* `packs` say which lanes have work of theirs. NULL: a deputy, who does not check lanes, and
 * reports nothing while a scheduler leads. */
int watch_new(const struct service *s, const struct packs *packs, struct watch **ret, struct err *e)
        MUST_CHECK;
void watch_free(struct watch *w); /* waits for a message that is being sent */
DEFINE_CLEANUP(watch_cleanup, struct watch, watch_free)

/* Every few seconds; most calls do nothing. `client`, `cluster`: to query how many messages wait in
 * a lane that nobody serves; NULL: lanes are not checked. -1: the database. */
int watch_check(struct watch *w, struct db *d, struct kafka_producer *client, const char *cluster,
                struct err *e) MUST_CHECK;
