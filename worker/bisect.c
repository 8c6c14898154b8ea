/* SPDX-License-Identifier: Apache-2.0 */
/* A pack's statement that fails is bisected, until the failing task stands alone; or its type is
 * paused, when it fails whatever it is given. */
#include "bisect.h"

#include <stdio.h>
#include <string.h>

enum {
        LOCK_PARTS = 16,
        NOT_TRIED_MS = 1000,
        LOCK_RETRY_MIN_MS = 1000,
        LOCK_RETRY_MS = 4000,
};

static const char SHORT_LOCKS[] = "set local lock_timeout = '50ms'";
static const char SHORTEST_LOCKS[] = "set local lock_timeout = '10ms'";

static bool is_lock(const struct err *why)
{
        return strcmp(why->code, "55P03") == 0;
}

/* What was sent is never sent again: its record's errors are nobody's to wait for, as long as there
 * is a connection. */
static int undo_part(struct transactor *t, enum variant v, const struct err *why, size_t n,
                     struct err *e)
{
        if (v != VARIANT_RECORD || !db_alive(t->db))
                return group_undo(t, why, n, e);
        return group_roll_back(t, e);
}

void bisect_begin(struct transactor *t)
{
        memset(&t->part, 0, sizeof t->part);
}

/* ---- does the type fail? ---- */

/* Runs the effect of list[0..n), or the record, and undoes it. 0 it succeeds; 1 it fails: `why`; -1
 * error. */
static int probe(struct transactor *t, const struct statement_group *g, enum variant v,
                 struct entry **list, size_t n, struct err *why, struct err *e)
{
        const struct composed *c = NULL;
        struct db_result *r = NULL;
        if (compose(t->composer, t->db, g->type, g->type_no,
                    v == VARIANT_RECORD ? v : VARIANT_AGAIN, &c, e) < 0 ||
            db_pipeline_begin(t->db, e) < 0)
                return -1;
        if (group_queue(t, g, c, list, n, GROUP_ROLL_BACK, e) < 0 || db_pipeline_sync(t->db, e) < 0)
                return -1;
        int rc = group_collect(t, GROUP_ROLL_BACK, &r, why);
        db_result_free(r);
        if (db_pipeline_finish_sync(t->db, e) < 0 || db_pipeline_end(t->db, e) < 0)
                return -1;
        if (rc == 0)
                return 0;
        return undo_part(t, v, why, n, e) < 0 ? -1 : 1;
}

/* Do PAUSE_TASKS of them, taken at random, each fail as the whole did? 1: yes. */
static int probe_some(struct transactor *t, const struct statement_group *g, enum variant v,
                      struct entry **list, size_t n, const struct err *first, struct err *e)
{
        for (int i = 0; i < PAUSE_TASKS; i++) {
                struct err why = ERR_INIT;
                size_t at = (size_t)((uint64_t)t->retry.random() * n >> 32);
                int rc = probe(t, g, v, &list[at], 1, &why, e);
                if (rc <= 0 || strcmp(why.code, first->code) != 0)
                        return rc < 0 ? -1 : 0;
        }
        return 1;
}

/* 1: the type is to be paused, and has been added to what the transaction pauses. */
static int type_fails(struct transactor *t, const struct statement_group *g, enum variant v,
                      struct entry **list, size_t n, const struct err *first, struct err *e)
{
        struct err why = ERR_INIT;
        t->part.probed = true;
        if (is_lock(first) && n < PAUSE_TASKS) /* few can wait as well, and are done sooner */
                return 0;
        int rc = probe(t, g, v, list, 0, &why, e);
        if (rc == 1)
                return pauses_add(&t->pauses, g->type, g->type_no, &why, NULL, 0);
        if (rc == 0 && n >= PAUSE_TASKS && v != VARIANT_RECORD && !is_lock(first))
                rc = probe_some(t, g, v, list, n, first, e);
        return rc == 1 ? pauses_add(&t->pauses, g->type, g->type_no, first, list, n) : rc;
}

int bisect_probe(struct transactor *t, const struct statement_group *g, struct entry **list,
                 size_t n, struct err *why, struct err *e)
{
        int rc = probe(t, g, VARIANT_AGAIN, list, n, why, e);
        return rc == 0 && n == 0 && g->type->record.text
                       ? probe(t, g, VARIANT_RECORD, list, 0, why, e)
                       : rc;
}

/* ---- bisecting ---- */

/* To halve such a batch would let the statement act for one half of it. */
static bool whole_fails(const struct err *e)
{
        return strcmp(e->code, SQLSTATE_STATEMENT) == 0;
}

static void count_failures(struct transactor *t, const struct err *why, size_t n)
{
        t->part.mixed = t->part.mixed || (t->part.failed && strcmp(t->part.code, why->code) != 0);
        snprintf(t->part.code, sizeof t->part.code, "%.*s", SQLSTATE_MAX - 1, why->code);
        t->part.failed += n;
}

/* `tried`: the one of them, alone. */
static void park_locked(struct transactor *t, struct entry **list, size_t n, bool tried)
{
        for (size_t i = 0; i < n; i++) {
                bool locked = tried || list[i]->locked;
                if (locked)
                        entry_park(list[i], PARKED_RETRY,
                                   SPAN_LIT("its row is locked by another session"),
                                   LOCK_RETRY_MIN_MS + t->retry.random() % LOCK_RETRY_MS);
                else
                        entry_park(list[i], PARKED_RETRY,
                                   SPAN_LIT("not tried yet: rows of other tasks are locked by "
                                            "another session"),
                                   t->retry.random() % NOT_TRIED_MS);
                list[i]->locked = locked;
        }
}

void bisect_limit_locks(struct transactor *t, int64_t ms)
{
        t->locks_ms = ms;
        t->lock_until_ms = 0;
}

int bisect_short_locks(struct transactor *t, struct err *e)
{
        return db_exec(t->db, SHORT_LOCKS, e);
}

int bisect_locked_before(struct transactor *t, size_t n, struct err *e)
{
        t->lock_until_ms = monotonic_ms() + LOCKED_MS;
        return db_exec(t->db, n > 1 ? SHORTEST_LOCKS : SHORT_LOCKS, e);
}

static bool are_locks_over(const struct transactor *t)
{
        return t->lock_until_ms && monotonic_ms() >= t->lock_until_ms;
}

/* The first wait had its time; each further one is short, and there are not many. 1: nothing more
 * is waited for. */
static int limit_locks(struct transactor *t, struct err *e)
{
        if (!t->lock_until_ms) {
                t->lock_until_ms = monotonic_ms() + t->locks_ms;
                return bisect_short_locks(t, e);
        }
        return are_locks_over(t);
}

/* What was sent stays sent: each is noted as not recorded. */
static int each_done(struct transactor *t, struct batch *b, const struct statement_group *g,
                     struct entry **list, size_t n, group_done done, const struct err *first,
                     struct err *e)
{
        for (size_t i = 0; i < n; i++)
                if (done(t, b, g, &list[i], 1, NULL, first, e) < 0)
                        return -1;
        return 0;
}

static int run_halves(struct transactor *t, struct batch *b, const struct statement_group *g,
                      enum variant v, struct entry **list, size_t n, group_done done, struct err *e)
{
        size_t half = n / 2;
        if (bisect_run(t, b, g, v, list, half, done, e) < 0)
                return -1;
        return bisect_run(t, b, g, v, list + half, n - half, done, e);
}

/* A part that waits costs more than many that do not: so there are more than two, and small ones
 * are tried one by one. The time may not last for all: another part comes first each time. */
static int run_lock_parts(struct transactor *t, struct batch *b, const struct statement_group *g,
                          enum variant v, struct entry **list, size_t n, group_done done,
                          struct err *e)
{
        size_t size = n / LOCK_PARTS > 1 ? n / LOCK_PARTS : 1, parts = (n + size - 1) / size;
        size_t from = t->retry.random() % parts;
        for (size_t i = 0; i < parts; i++) {
                size_t at = (from + i) % parts * size, count = n - at < size ? n - at : size;
                if (v != VARIANT_RECORD && are_locks_over(t))
                        park_locked(t, list + at, count, false);
                else if (bisect_run(t, b, g, v, list + at, count, done, e) < 0)
                        return -1;
        }
        return 0;
}

int bisect_failed(struct transactor *t, struct batch *b, const struct statement_group *g,
                  enum variant v, struct entry **list, size_t n, group_done done,
                  const struct err *first, struct err *e)
{
        int rc = t->part.probed ? pauses_has(&t->pauses, g->type_no)
                                : type_fails(t, g, v, list, n, first, e);
        if (rc < 0)
                return -1;
        if (rc == 1 && v == VARIANT_RECORD)
                return each_done(t, b, g, list, n, done, first, e);
        for (size_t i = 0; rc == 1 && i < n; i++)
                entry_pass(list[i]);
        if (rc == 1)
                return 0;
        if (whole_fails(first)) {
                count_failures(t, first, n);
                if (v == VARIANT_RECORD)
                        return each_done(t, b, g, list, n, done, first, e);
                return done(t, b, g, list, n, NULL, first, e);
        }
        if (is_lock(first)) {
                rc = limit_locks(t, e);
                if (rc < 0)
                        return -1;
                if (rc == 1 && v == VARIANT_RECORD)
                        return each_done(t, b, g, list, n, done, first, e);
                if (v != VARIANT_RECORD && (n == 1 || rc == 1)) {
                        park_locked(t, list, n, n == 1);
                        return 0;
                }
        }
        if (n == 1) {
                count_failures(t, first, 1);
                return done(t, b, g, list, 1, NULL, first, e);
        }
        return is_lock(first) ? run_lock_parts(t, b, g, v, list, n, done, e)
                              : run_halves(t, b, g, v, list, n, done, e);
}

int bisect_run(struct transactor *t, struct batch *b, const struct statement_group *g,
               enum variant v, struct entry **list, size_t n, group_done done, struct err *e)
{
        const struct composed *c = NULL;
        struct db_result *r = NULL;
        struct err first = ERR_INIT;
        if (group_compose(t, g, v, &c, e) < 0 || db_pipeline_begin(t->db, e) < 0)
                return -1;
        if (group_queue(t, g, c, list, n, group_end_of(g), e) < 0 || db_pipeline_sync(t->db, e) < 0)
                return -1;
        int rc = group_collect(t, group_end_of(g), &r, &first);
        group_note_notices(t, g);
        if (db_pipeline_finish_sync(t->db, e) < 0 || db_pipeline_end(t->db, e) < 0) {
                db_result_free(r);
                return -1;
        }
        if (rc == 0) {
                t->part.done += n;
                return done(t, b, g, list, n, r, NULL, e);
        }
        if (undo_part(t, v, &first, n, e) < 0)
                return -1;
        return bisect_failed(t, b, g, v, list, n, done, &first, e);
}
