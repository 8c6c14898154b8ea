/* SPDX-License-Identifier: Apache-2.0 */
/* A batch: dividing it into statement groups, keeping results, pacing, blocking later tasks. */
#include "batch.h"

#include "pack/action_ops.h"

#include <stdlib.h>
#include <string.h>

enum { RESULT_PER_ENTRY = 1024 };

static uint64_t hash_text(struct span s)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
        for (size_t i = 0; i < s.len; i++)
                h = (h ^ (uint8_t)s.ptr[i]) * UINT64_C(0x100000001b3);
        return h ^ h >> 29;
}

/* Numbers the entries of each subject, from 0. Open addressing; a
 * slot holds the last such entry. */
static int number_by_subject(struct batch *b, enum entry_state state, struct err *e)
{
        size_t size = 16;
        while (size < b->n * 2)
                size *= 2;
        struct entry **slots = arena_alloc(b->arena, size * sizeof(struct entry *));
        if (!slots)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++) {
                struct entry *en = &b->entries[i];
                en->nth_of_subject = 0;
                if (en->state != state)
                        continue;
                size_t at = hash_text(en->task.subject) & (size - 1);
                while (slots[at] && !span_eq(slots[at]->task.subject, en->task.subject))
                        at = (at + 1) & (size - 1);
                if (slots[at])
                        en->nth_of_subject = slots[at]->nth_of_subject + 1;
                slots[at] = en;
        }
        return 0;
}

static int compare_pointers(const void *a, const void *b)
{
        return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static bool is_placed(const struct entry *en)
{
        return en->state == ENTRY_READY && en->place > 0 && en->type->ops->in_database;
}

static int compare_group(const struct entry *x, const struct entry *y)
{
        if (x->nth_of_subject != y->nth_of_subject)
                return x->nth_of_subject < y->nth_of_subject ? -1 : 1;
        if (x->locked != y->locked) /* others are not to wait for what it may wait for */
                return (int)x->locked - (int)y->locked;
        if (x->type != y->type)
                return compare_pointers(x->type, y->type);
        if (x->run != y->run)
                return compare_pointers(x->run, y->run);
        if (x->about != y->about)
                return compare_pointers(x->about, y->about);
        if (x->dry_run != y->dry_run)
                return (int)x->dry_run - (int)y->dry_run;
        if (is_placed(x) != is_placed(y))
                return (int)is_placed(x) - (int)is_placed(y);
        return x->run || !x->type->by_actor ? 0 : span_cmp(x->task.actor, y->task.actor);
}

static int compare_entries(const void *a, const void *b)
{
        const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
        int c = compare_group(x, y);
        if (c)
                return c;
        if (x->type->subject_type == VALUE_INTEGER)
                return (x->subject_int > y->subject_int) - (x->subject_int < y->subject_int);
        return span_cmp(x->task.subject, y->task.subject);
}

int batch_list(struct batch *b, enum entry_state state, struct entry ***ret, size_t *ret_n,
               struct err *e)
{
        struct entry **list = arena_alloc(b->arena, (b->n + 1) * sizeof(struct entry *));
        size_t n = 0;
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == state)
                        list[n++] = &b->entries[i];
        *ret = list;
        *ret_n = n;
        return 0;
}

int batch_group(struct batch *b, enum entry_state state, struct err *e)
{
        struct entry **list = NULL;
        size_t n = 0;
        b->n_groups = 0;
        if (b->n == 0)
                return 0;
        b->groups = arena_alloc(b->arena, b->n * sizeof *b->groups);
        if (!b->groups || number_by_subject(b, state, e) < 0 ||
            batch_list(b, state, &list, &n, e) < 0)
                return err_oom(e);
        qsort(list, n, sizeof(struct entry *), compare_entries);
        for (size_t i = 0; i < n; i++) {
                struct statement_group *g = b->n_groups ? &b->groups[b->n_groups - 1] : NULL;
                if (!g || compare_group(g->list[0], list[i]) != 0) {
                        g = &b->groups[b->n_groups++];
                        *g = (struct statement_group){ .type = list[i]->type,
                                                       .type_no = list[i]->type_no,
                                                       .run = list[i]->run,
                                                       .about = list[i]->about,
                                                       .dry_run = list[i]->dry_run,
                                                       .placed = is_placed(list[i]),
                                                       .list = &list[i] };
                }
                g->n++;
        }
        return 0;
}

size_t batch_paced(size_t now, size_t n, int64_t ms, size_t most)
{
        enum { PACE_MS = 1000 };
        size_t next = now;
        if (ms > PACE_MS)
                next = n * PACE_MS / (size_t)ms;
        else if (n == now && ms <= PACE_MS / 2)
                next = now * 2;
        return next < 1 ? 1 : next > most ? most : next;
}

int batch_save(struct batch *b, struct batch_copy *c, struct err *e)
{
        if (!c->entries) {
                c->entries = arena_alloc(b->arena, (b->n + 1) * sizeof *b->entries);
                c->list = arena_alloc(b->arena, (b->n + 1) * sizeof(struct entry *));
                c->groups = arena_alloc(b->arena, (b->n_groups + 1) * sizeof *b->groups);
        }
        if (!c->entries || !c->list || !c->groups)
                return err_oom(e);
        if (b->n)
                memcpy(c->entries, b->entries, b->n * sizeof *b->entries);
        if (b->n_groups)
                memcpy(c->groups, b->groups, b->n_groups * sizeof *b->groups);
        for (size_t i = 0, at = 0; i < b->n_groups; at += b->groups[i++].n)
                for (size_t k = 0; k < b->groups[i].n; k++)
                        c->list[at + k] = b->groups[i].list[k];
        return 0;
}

void batch_restore(struct batch *b, const struct batch_copy *c)
{
        if (b->n)
                memcpy(b->entries, c->entries, b->n * sizeof *b->entries);
        if (b->n_groups)
                memcpy(b->groups, c->groups, b->n_groups * sizeof *b->groups);
        for (size_t i = 0, at = 0; i < b->n_groups; at += b->groups[i++].n)
                for (size_t k = 0; k < b->groups[i].n; k++)
                        b->groups[i].list[k] = c->list[at + k];
}

void batch_reset(struct batch *b)
{
        for (size_t i = 0; i < b->n_results; i++)
                db_result_free(b->results[i]);
        b->n_results = b->n = b->n_groups = b->result_bytes = 0;
        b->entries = NULL;
        b->groups = NULL;
        arena_reset(b->arena);
}

int batch_keep(struct batch *b, struct db_result *r, struct err *e)
{
        if (b->n_results == RESULTS_MAX) {
                db_result_free(r);
                return err_set(e, ERR_FATAL, "", "more than %d results in one batch", RESULTS_MAX);
        }
        b->result_bytes += db_result_bytes(r);
        if (b->n > 1 && b->result_bytes > 2 * RESULT_BYTES_MAX &&
            b->result_bytes > b->n * RESULT_PER_ENTRY) {
                db_result_free(r);
                return err_set(e, ERR_RETRY, DB_RESULT_TOO_LARGE,
                               "the results of %zu tasks take more than %zu bytes", b->n,
                               b->result_bytes);
        }
        b->results[b->n_results++] = r;
        return 0;
}

bool batch_is_too_large(const struct err *e)
{
        return strcmp(e->code, DB_RESULT_TOO_LARGE) == 0;
}

size_t batch_fewer(size_t n)
{
        return n / 2 > 1 ? n / 2 : 1;
}

size_t batch_more(size_t now, size_t result_bytes, size_t most)
{
        if (now >= most || result_bytes > RESULT_BYTES_MAX / 2)
                return now;
        return now * 2 < most ? now * 2 : most;
}

size_t batch_count(const struct batch *b, enum entry_state state)
{
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                n += b->entries[i].state == state;
        return n;
}

void batch_park_unknown(struct batch *b, int64_t ms)
{
        for (size_t i = 0; ms > 0 && i < b->n; i++)
                if (b->entries[i].state == ENTRY_DECIDED && b->entries[i].unknown)
                        entry_park(&b->entries[i], PARKED_UNKNOWN, b->entries[i].reason, ms);
}

/* Does it block later tasks of its subject? */
static bool is_blocking(const struct entry *en)
{
        return (en->state == ENTRY_DECIDED || en->state == ENTRY_ACTED) &&
               en->parked != PARKED_NOT && en->parked != PARKED_PAUSED &&
               en->parked != PARKED_RECORD;
}

static void block_in_group(struct statement_group *g, const struct entry *first)
{
        size_t kept = 0;
        for (size_t i = 0; i < g->n; i++) {
                struct entry *en = g->list[i];
                bool blocked = !en->dry_run &&
                               (en->state == ENTRY_READY || en->state == ENTRY_PENDING) &&
                               span_eq(en->task.subject, first->task.subject);
                if (blocked) {
                        entry_block(en, !entry_waits(first));
                        en->state = en->state == ENTRY_READY ? ENTRY_DECIDED : ENTRY_ACTED;
                } else {
                        g->list[kept++] = en;
                }
        }
        g->n = kept;
}

void batch_block(struct batch *b, size_t group)
{
        const struct statement_group *g = &b->groups[group];
        for (size_t i = 0; i < g->n; i++)
                for (size_t later = group + 1; is_blocking(g->list[i]) && later < b->n_groups;
                     later++)
                        block_in_group(&b->groups[later], g->list[i]);
}
