/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who is there: a row of rollcall.process for each program, or each of its threads that has a
 * session of its own. */
#include "db/db.h"

enum { PRESENCE_MS = 5000 };

struct presence {
        const char *name;           /* unique: program, host, process, thread */
        const char *program, *lane; /* lane NULL: none */
        const int32_t *partitions;
        size_t n_partitions;
        bool leading;
        const char *waits_for;      /* the error that keeps it from its work; NULL: none */
        const char *refused_reload; /* why the last reload was refused; NULL: none was */
        instant refused_at;
};

/* Writes it when PRESENCE_MS have passed since *at_ms, which it sets; nothing while the session is
 * inside a transaction of the caller's. */
int presence_note(struct db *d, const struct presence *p, int64_t *at_ms, struct err *e) MUST_CHECK;
/* At the end in order. What fails ages by itself. */
void presence_leave(struct db *d, const char *name);
