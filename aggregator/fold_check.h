/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which events the tables of PostgreSQL cannot store, and the texts that are stored. Part of the
 * core. */
#include "base/arena.h"
#include "base/err.h"
#include "model/messages.h"

enum {
        FOLD_NAME_MAX = 200, /* bytes of a pack, job or type, and of a reason in the totals */
        FOLD_TOPIC_MAX = 249,
        FOLD_DETAIL_MAX = 1000, /* bytes of a text of an error */
};

/* ERR_INPUT: the event cannot be stored; the text names the field. */
int fold_check(const struct outcome_event *m, struct err *e) MUST_CHECK;
/* A copy that is "" instead of absent: the columns are not null. False: no memory. */
bool fold_copy(struct arena *memory, struct span s, struct span *ret) MUST_CHECK;
