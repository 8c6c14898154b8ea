/* A pack's statement that fails is bisected, until the failing task stands alone; or its type is
 * paused, when it fails whatever it is given. */
#include "transact_parts.h"

#include <stdio.h>
#include <string.h>

enum {
        CONFLICTS_MAX = 5,
        LOCK_PARTS = 16,
        NOT_TRIED_MS = 1000,
        LOCK_RETRY_MIN_MS = 1000,
        LOCK_RETRY_MS = 4000,
};

static const char UNDO_UNIT[] = "rollback to savepoint unit; release savepoint unit";
static const char SHORT_LOCKS[] = "set local lock_timeout = '50ms'";
static const char SHORTEST_LOCKS[] = "set local lock_timeout = '10ms'";

static bool is_lock(const struct err *why)
{
        return strcmp(why->code, "55P03") == 0;
}

/* A conflict with other transactions is waited for, but only for some times: a statement that
 * always reports one would keep all others from their work. */
static bool waits(struct transactor *t, const struct err *why, size_t n)
{
        if (is_too_large(why))
                return n > 1; /* for fewer; of a single task it is its own fault */
        if (!db_server_state(why))
                return false;
        if (strncmp(why->code, "40", 2) != 0)
                return true;
        return ++t->conflicts <= CONFLICTS_MAX;
}

void transact_note_notices(struct transactor *t, const struct unit *u)
{
        const char *first;
        size_t n = db_notices(t->db, &first);
        if (n)
                notices_add(&t->notices, u->type, n, first);
}

/* What was sent is never sent again: its record's errors are nobody's to wait for, as long as there
 * is a connection. */
static int undo_part(struct transactor *t, enum variant v, const struct err *why, size_t n,
                     struct err *e)
{
        if (v != VARIANT_RECORD || !db_alive(t->db))
                return transact_undo_unit(t, why, n, e);
        return db_exec(t->db, UNDO_UNIT, e);
}

int transact_undo_unit(struct transactor *t, const struct err *why, size_t n, struct err *e)
{
        *e = *why;
        return waits(t, why, n) ? -1 : db_exec(t->db, UNDO_UNIT, e);
}

void transact_begin_unit(struct transactor *t)
{
        memset(&t->part, 0, sizeof t->part);
}

/* ---- does the type fail? ---- */

/* Runs the effect of list[0..n), or the record, and undoes it. 0 it succeeds; 1 it fails: `why`; -1
 * error. */
static int probe(struct transactor *t, const struct unit *u, enum variant v, struct entry **list,
                 size_t n, struct err *why, struct err *e)
{
        const struct composed *c = NULL;
        struct db_result *r = NULL;
        if (compose(t->composer, t->db, u->type, u->type_no,
                    v == VARIANT_RECORD ? v : VARIANT_AGAIN, &c, e) < 0 ||
            db_pipeline_begin(t->db, e) < 0)
                return -1;
        if (transact_queue_unit(t, u, c, list, n, UNIT_UNDO, e) < 0 ||
            db_pipeline_sync(t->db, e) < 0)
                return -1;
        int rc = transact_take_unit(t, UNIT_UNDO, &r, why);
        db_result_free(r);
        if (db_pipeline_finish_sync(t->db, e) < 0 || db_pipeline_end(t->db, e) < 0)
                return -1;
        if (rc == 0)
                return 0;
        return undo_part(t, v, why, n, e) < 0 ? -1 : 1;
}

/* Do PAUSE_TASKS of them, taken at random, each fail as the whole did? 1: yes. */
static int probe_some(struct transactor *t, const struct unit *u, enum variant v,
                      struct entry **list, size_t n, const struct err *first, struct err *e)
{
        for (int i = 0; i < PAUSE_TASKS; i++) {
                struct err why = ERR_INIT;
                size_t at = (size_t)((uint64_t)t->retry.random() * n >> 32);
                int rc = probe(t, u, v, &list[at], 1, &why, e);
                if (rc <= 0 || strcmp(why.code, first->code) != 0)
                        return rc < 0 ? -1 : 0;
        }
        return 1;
}

/* 1: the type is to be paused, and has been added to what the transaction pauses. */
static int type_fails(struct transactor *t, const struct unit *u, enum variant v,
                      struct entry **list, size_t n, const struct err *first, struct err *e)
{
        struct err why = ERR_INIT;
        t->part.probed = true;
        if (is_lock(first) && n < PAUSE_TASKS) /* few can wait as well, and are done sooner */
                return 0;
        int rc = probe(t, u, v, list, 0, &why, e);
        if (rc == 1)
                return pauses_add(&t->pauses, u->type, u->type_no, &why, NULL, 0);
        if (rc == 0 && n >= PAUSE_TASKS && v != VARIANT_RECORD && !is_lock(first))
                rc = probe_some(t, u, v, list, n, first, e);
        return rc == 1 ? pauses_add(&t->pauses, u->type, u->type_no, first, list, n) : rc;
}

int transact_try(struct transactor *t, const struct unit *u, struct entry **list, size_t n,
                 struct err *why, struct err *e)
{
        int rc = probe(t, u, VARIANT_AGAIN, list, n, why, e);
        return rc == 0 && n == 0 && u->type->record.text
                       ? probe(t, u, VARIANT_RECORD, list, 0, why, e)
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
static void wait_for_locks(struct transactor *t, struct entry **list, size_t n, bool tried)
{
        for (size_t i = 0; i < n; i++) {
                bool locked = tried || list[i]->locked;
                if (locked)
                        entry_wait(list[i], SPAN_LIT("its row is locked by another session"),
                                   LOCK_RETRY_MIN_MS + t->retry.random() % LOCK_RETRY_MS);
                else
                        entry_wait(list[i],
                                   SPAN_LIT("not tried yet: rows of other tasks are locked by "
                                            "another session"),
                                   t->retry.random() % NOT_TRIED_MS);
                list[i]->locked = locked;
        }
}

void transact_locks(struct transactor *t, int64_t ms)
{
        t->locks_ms = ms;
        t->lock_until_ms = 0;
}

int transact_short_locks(struct transactor *t, struct err *e)
{
        return db_exec(t->db, SHORT_LOCKS, e);
}

int transact_locked_again(struct transactor *t, size_t n, struct err *e)
{
        t->lock_until_ms = monotonic_ms() + LOCKED_MS;
        return db_exec(t->db, n > 1 ? SHORTEST_LOCKS : SHORT_LOCKS, e);
}

static bool locks_over(const struct transactor *t)
{
        return t->lock_until_ms && monotonic_ms() >= t->lock_until_ms;
}

/* The first wait had its time; each further one is short, and there are not many. 1: nothing more
 * is waited for. */
static int limit_locks(struct transactor *t, struct err *e)
{
        if (!t->lock_until_ms) {
                t->lock_until_ms = monotonic_ms() + t->locks_ms;
                return transact_short_locks(t, e);
        }
        return locks_over(t);
}

/* What was sent stays sent: each is told that it is not recorded. */
static int each_done(struct transactor *t, struct batch *b, const struct unit *u,
                     struct entry **list, size_t n, unit_done done, const struct err *first,
                     struct err *e)
{
        for (size_t i = 0; i < n; i++)
                if (done(t, b, u, &list[i], 1, NULL, first, e) < 0)
                        return -1;
        return 0;
}

static int halves(struct transactor *t, struct batch *b, const struct unit *u, enum variant v,
                  struct entry **list, size_t n, unit_done done, struct err *e)
{
        size_t half = n / 2;
        if (transact_part(t, b, u, v, list, half, done, e) < 0)
                return -1;
        return transact_part(t, b, u, v, list + half, n - half, done, e);
}

/* A part that waits costs more than many that do not: so there are more than two, and small ones
 * are tried one by one. The time may not last for all: another part comes first each time. */
static int lock_parts(struct transactor *t, struct batch *b, const struct unit *u, enum variant v,
                      struct entry **list, size_t n, unit_done done, struct err *e)
{
        size_t size = n / LOCK_PARTS > 1 ? n / LOCK_PARTS : 1, parts = (n + size - 1) / size;
        size_t from = t->retry.random() % parts;
        for (size_t i = 0; i < parts; i++) {
                size_t at = (from + i) % parts * size, count = n - at < size ? n - at : size;
                if (v != VARIANT_RECORD && locks_over(t))
                        wait_for_locks(t, list + at, count, false);
                else if (transact_part(t, b, u, v, list + at, count, done, e) < 0)
                        return -1;
        }
        return 0;
}

int transact_bisect(struct transactor *t, struct batch *b, const struct unit *u, enum variant v,
                    struct entry **list, size_t n, unit_done done, const struct err *first,
                    struct err *e)
{
        int rc = t->part.probed ? pauses_has(&t->pauses, u->type_no)
                                : type_fails(t, u, v, list, n, first, e);
        if (rc < 0)
                return -1;
        if (rc == 1 && v == VARIANT_RECORD)
                return each_done(t, b, u, list, n, done, first, e);
        for (size_t i = 0; rc == 1 && i < n; i++)
                entry_pass(list[i]);
        if (rc == 1)
                return 0;
        if (whole_fails(first)) {
                count_failures(t, first, n);
                if (v == VARIANT_RECORD)
                        return each_done(t, b, u, list, n, done, first, e);
                return done(t, b, u, list, n, NULL, first, e);
        }
        if (is_lock(first)) {
                rc = limit_locks(t, e);
                if (rc < 0)
                        return -1;
                if (rc == 1 && v == VARIANT_RECORD)
                        return each_done(t, b, u, list, n, done, first, e);
                if (v != VARIANT_RECORD && (n == 1 || rc == 1)) {
                        wait_for_locks(t, list, n, n == 1);
                        return 0;
                }
        }
        if (n == 1) {
                count_failures(t, first, 1);
                return done(t, b, u, list, 1, NULL, first, e);
        }
        return is_lock(first) ? lock_parts(t, b, u, v, list, n, done, e)
                              : halves(t, b, u, v, list, n, done, e);
}

int transact_part(struct transactor *t, struct batch *b, const struct unit *u, enum variant v,
                  struct entry **list, size_t n, unit_done done, struct err *e)
{
        const struct composed *c = NULL;
        struct db_result *r = NULL;
        struct err first = ERR_INIT;
        if (transact_composed(t, u, v, &c, e) < 0 || db_pipeline_begin(t->db, e) < 0)
                return -1;
        if (transact_queue_unit(t, u, c, list, n, transact_unit_end(u), e) < 0 ||
            db_pipeline_sync(t->db, e) < 0)
                return -1;
        int rc = transact_take_unit(t, transact_unit_end(u), &r, &first);
        transact_note_notices(t, u);
        if (db_pipeline_finish_sync(t->db, e) < 0 || db_pipeline_end(t->db, e) < 0) {
                db_result_free(r);
                return -1;
        }
        if (rc == 0) {
                t->part.done += n;
                return done(t, b, u, list, n, r, NULL, e);
        }
        if (undo_part(t, v, &first, n, e) < 0)
                return -1;
        return transact_bisect(t, b, u, v, list, n, done, &first, e);
}
