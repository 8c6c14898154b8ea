/* SPDX-License-Identifier: Apache-2.0 */
/* Plans are walked along, for each run and partition, as their messages come. */
#include "places.h"

#include "base/log.h"
#include "worker_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        WALKS_MAX = 8192,
        /* of chunks that are kept between batches; one is about 110 KiB */
        CHUNKS_BYTES = 4 * 1024 * 1024,
};

/* Of one run in one partition. */
struct walk {
        int64_t run_no;
        int partition;
        int64_t epoch;
        int64_t committed, taken; /* the last place; 0: none */
        /* the task whose turn it is; chunk NULL: it is not loaded */
        struct db_result *chunk;
        int64_t chunk_no, index;
        struct span type, subject, item;
        struct db_texts subjects, items;
        bool ended;   /* no chunk of this partition is left */
        bool unknown; /* an earlier version's worker has taken some */
        uint64_t used;
};

struct places {
        struct walk *list;
        size_t n, cap;
        size_t latest;
        uint64_t clock;
};

struct places *places_new(void)
{
        return calloc(1, sizeof(struct places));
}

static void unload(struct walk *k)
{
        db_result_free(k->chunk);
        k->chunk = NULL;
        k->ended = false;
}

void places_free(struct places *p)
{
        if (!p)
                return;
        for (size_t i = 0; i < p->n; i++)
                unload(&p->list[i]);
        free(p->list);
        free(p);
}

void places_committed(struct places *p)
{
        for (size_t i = 0; i < p->n; i++)
                p->list[i].committed = p->list[i].taken;
}

/* ---- which walks are kept ---- */

/* Of partitions that are not ours any more, and what was taken without being committed. */
static void forget(struct places *p, const struct lane_partitions *partitions)
{
        size_t n = 0;
        for (size_t i = 0; i < p->n; i++) {
                struct walk *k = &p->list[i];
                if (!lane_partition_has_epoch(&partitions->list[k->partition], k->epoch)) {
                        unload(k);
                        continue;
                }
                if (k->taken != k->committed) {
                        unload(k);
                        k->taken = k->committed;
                }
                p->list[n++] = *k;
        }
        if (n == WALKS_MAX)
                while (n)
                        unload(&p->list[--n]);
        p->n = n;
        p->latest = 0;
}

/* Chunks that were used longest ago are loaded again when they are needed. */
static void bound_memory(struct places *p)
{
        for (;;) {
                size_t bytes = 0;
                struct walk *oldest = NULL;
                for (size_t i = 0; i < p->n; i++) {
                        struct walk *k = &p->list[i];
                        if (!k->chunk)
                                continue;
                        bytes += db_result_bytes(k->chunk);
                        if (!oldest || k->used < oldest->used)
                                oldest = k;
                }
                if (bytes <= CHUNKS_BYTES)
                        return;
                unload(oldest);
        }
}

/* ---- one walk ---- */

static int read_taken(struct lane_worker *w, struct walk *k, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct db_params *q = w->transactor.params;
        db_params_reset(q);
        db_add_int8(q, k->run_no);
        db_add_int4(q, w->partitions.list[k->partition].at.source_no);
        if (db_query(w->db, sql_places_taken, q, &r, e) < 0)
                return -1;
        k->committed = k->taken = db_int(r, 0, 0);
        k->unknown = db_bool(r, 0, 1);
        return 0;
}

static int find_walk(struct lane_worker *w, const struct entry *en, struct walk **ret,
                     struct err *e)
{
        struct places *p = w->places;
        for (size_t i = 0; i < p->n; i++) {
                size_t at = (p->latest + i) % p->n;
                struct walk *k = &p->list[at];
                if (k->run_no == en->run->run_no && k->partition == en->partition) {
                        p->latest = at;
                        *ret = k;
                        return 0;
                }
        }
        if (p->n == p->cap) {
                size_t cap = p->cap ? 2 * p->cap : 16;
                struct walk *list = reallocarray(p->list, cap, sizeof *list);
                if (!list)
                        return err_oom(e);
                p->list = list;
                p->cap = cap;
        }
        struct walk k = { .run_no = en->run->run_no,
                          .partition = en->partition,
                          .epoch = w->partitions.list[en->partition].at.epoch };
        if (read_taken(w, &k, e) < 0)
                return -1;
        p->latest = p->n++;
        p->list[p->latest] = k;
        *ret = &p->list[p->latest];
        return 0;
}

/* To the next task of the chunk. */
static bool step(struct walk *k)
{
        k->index++;
        if (!db_texts_next(&k->subjects, &k->subject))
                return false;
        if (!db_texts_next(&k->items, &k->item) || !k->item.ptr)
                k->item = SPAN_LIT("");
        return true;
}

static int load_chunk(struct lane_worker *w, struct walk *k, int64_t from, struct err *e)
{
        struct db_params *q = w->transactor.params;
        unload(k);
        bound_memory(w->places);
        db_params_reset(q);
        db_add_int8(q, k->run_no);
        db_add_str(q, lane_name(w->o->lane));
        db_add_int4(q, w->partitions.list[k->partition].at.partition);
        db_add_int4(q, (int32_t)from);
        if (db_query_binary(w->db, sql_places_chunk, q, &k->chunk, e) < 0)
                return -1;
        if (db_rows(k->chunk) == 0) {
                unload(k);
                k->ended = true;
                return 0;
        }
        struct db_texts head = db_texts(k->chunk, 0, 0);
        struct span number = { 0 };
        char text[24];
        if (!db_texts_next(&head, &number) || !db_texts_next(&head, &k->type))
                return err_set(e, ERR_FATAL, "", "a chunk of a plan without its number");
        snprintf(text, sizeof text, "%.*s", SPAN_FMT(number));
        k->chunk_no = strtoll(text, NULL, 10);
        k->subjects = db_texts(k->chunk, 0, 1);
        k->items = db_texts(k->chunk, 0, 2);
        k->index = -1;
        return 0;
}

/* Loads the task whose turn it is, unless there is none left (`ended`). */
static int load_next(struct lane_worker *w, struct walk *k, struct err *e)
{
        int64_t from = k->taken >> 20;
        while (!k->chunk && !k->ended) {
                if (load_chunk(w, k, from, e) < 0)
                        return -1;
                bool left = !k->ended;
                while (left && (left = step(k)) &&
                       plan_place((int)k->chunk_no, (int)k->index) <= k->taken)
                        continue;
                if (!left && !k->ended) {
                        from = k->chunk_no + 1;
                        unload(k);
                }
        }
        return 0;
}

static bool is_next(const struct walk *k, const struct entry *en)
{
        return k->chunk && span_eq(k->subject, en->task.subject) &&
               span_eq(k->item, en->task.item) && span_eq(k->type, en->task.type);
}

static int take_turn(struct lane_worker *w, struct entry *en, bool *ret_placed, struct err *e)
{
        struct walk *k = NULL;
        if (find_walk(w, en, &k, e) < 0 || load_next(w, k, e) < 0)
                return -1;
        k->used = ++w->places->clock;
        *ret_placed = is_next(k, en) && !k->unknown;
        if (!*ret_placed)
                return 0;
        en->place = k->taken = plan_place((int)k->chunk_no, (int)k->index);
        if (!step(k))
                unload(k);
        return 0;
}

/* ---- what did not come in its turn ---- */

/* Waits, decided or not, for its outcome to be written; of a type whose tasks have places. */
static bool has_turn(const struct entry *en)
{
        return (en->state == ENTRY_READY || en->state == ENTRY_DECIDED) && en->run &&
               *en->run->placed_types && run_has_places(en->run, en->task.type);
}

static int query_places(struct lane_worker *w, struct entry *const *list, size_t n,
                        struct db_result **ret, struct err *e)
{
        struct db_params *q = w->transactor.params;
        db_params_reset(q);
        db_add_int8(q, list[0]->run->run_no);
        db_add_text(q, list[0]->task.type);
        for (int column = 0; column < 2; column++) {
                db_array_begin(q, DB_TEXT, n);
                for (size_t i = 0; i < n; i++) {
                        struct span s = column ? list[i]->task.item : list[i]->task.subject;
                        db_element_text(q, s.ptr ? s : SPAN_LIT(""));
                }
                db_array_end(q);
        }
        return db_query(w->db, sql_places_of_tasks, q, ret, e);
}

enum { C_N, C_CHUNK, C_INDEX, C_LANE, C_PARTITION };

/* Of one run and type. A place that is taken is a repetition; a later one, or one of another
 * partition, has not come in its turn. */
static int resolve(struct lane_worker *w, struct entry **list, size_t n, bool *ret_early,
                   struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        struct walk *k = NULL;
        if (query_places(w, list, n, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++)
                list[i]->unplanned = true;
        for (int row = 0; row < db_rows(r); row++) {
                struct entry *en = list[db_int(r, row, C_N) - 1];
                if (find_walk(w, en, &k, e) < 0)
                        return -1;
                en->unplanned = false;
                bool here = db_int(r, row, C_PARTITION) ==
                                    w->partitions.list[en->partition].at.partition &&
                            strcmp(db_str(r, row, C_LANE), lane_name(w->o->lane)) == 0;
                if (here && !k->unknown &&
                    plan_place((int)db_int(r, row, C_CHUNK), (int)db_int(r, row, C_INDEX)) <=
                            k->taken)
                        en->state = ENTRY_REPEATED;
                else
                        *ret_early = true;
        }
        for (size_t i = 0; i < n; i++)
                if (list[i]->unplanned)
                        list[i]->state = ENTRY_UNEXPECTED;
        return 0;
}

static int keep_by_task(struct lane_worker *w, const struct run *run, struct err *e)
{
        struct db_params *q = w->transactor.params;
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        char id[UUID_TEXT_LEN + 1];
        db_params_reset(q);
        db_add_int8(q, run->run_no);
        if (db_query(w->db, "select rollcall.keep_by_task($1)", q, &r, e) < 0)
                return -1;
        uuid_to_text(run->run_id, id);
        log_warn("tasks of a run came out of their order; the ledger keeps each by itself from now "
                 "on",
                 "run_id=%s rows=%lld", id, (long long)db_int(r, 0, 0));
        run_cache_forget_all(w->runs);
        return PLACES_TAKE_AGAIN;
}

/* The entries out of turn, a run and type at a time. */
static int resolve_all(struct lane_worker *w, struct entry **list, size_t n, struct err *e)
{
        struct entry **some = arena_alloc(w->batch.arena, n * sizeof *some);
        if (!some)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                size_t count = 0;
                bool early = false;
                const struct entry *first = list[i];
                if (!first)
                        continue;
                for (size_t j = i; j < n; j++)
                        if (list[j] && list[j]->run == first->run &&
                            span_eq(list[j]->task.type, first->task.type)) {
                                some[count++] = list[j];
                                list[j] = NULL;
                        }
                if (resolve(w, some, count, &early, e) < 0)
                        return -1;
                if (early)
                        return keep_by_task(w, first->run, e);
        }
        return 0;
}

int places_find(struct lane_worker *w, struct err *e)
{
        struct batch *b = &w->batch;
        struct entry **late = NULL;
        size_t n = 0;
        forget(w->places, &w->partitions);
        for (size_t i = 0; i < b->n; i++) {
                struct entry *en = &b->entries[i];
                bool placed = false;
                if (!has_turn(en))
                        continue;
                en->by_plan = true;
                if (take_turn(w, en, &placed, e) < 0)
                        return -1;
                if (placed)
                        continue;
                if (!late && !(late = arena_alloc(b->arena, b->n * sizeof *late)))
                        return err_oom(e);
                late[n++] = en;
        }
        return n ? resolve_all(w, late, n, e) : PLACES_FOUND;
}
