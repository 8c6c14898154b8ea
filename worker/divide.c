#include "batch.h"

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

/* An entry's level is the number of entries before it with the same subject. Open addressing; a
 * slot holds the last such entry. */
static int set_levels(struct batch *b, enum entry_state state, struct err *e)
{
        size_t size = 16;
        while (size < b->n * 2)
                size *= 2;
        struct entry **slots = arena_alloc(b->arena, size * sizeof(struct entry *));
        if (!slots)
                return err_oom(e);
        for (size_t i = 0; i < b->n; i++) {
                struct entry *en = &b->entries[i];
                en->level = 0;
                if (en->state != state)
                        continue;
                size_t at = hash_text(en->task.subject) & (size - 1);
                while (slots[at] && !span_eq(slots[at]->task.subject, en->task.subject))
                        at = (at + 1) & (size - 1);
                if (slots[at])
                        en->level = slots[at]->level + 1;
                slots[at] = en;
        }
        return 0;
}

static int compare_pointers(const void *a, const void *b)
{
        return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static int compare_unit(const struct entry *x, const struct entry *y)
{
        if (x->level != y->level)
                return x->level < y->level ? -1 : 1;
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
        return x->run || !x->type->by_actor ? 0 : span_cmp(x->task.actor, y->task.actor);
}

static int compare_entries(const void *a, const void *b)
{
        const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
        int c = compare_unit(x, y);
        if (c)
                return c;
        if (x->type->subject_type == VALUE_INTEGER)
                return (x->subject_int > y->subject_int) - (x->subject_int < y->subject_int);
        return span_cmp(x->task.subject, y->task.subject);
}

int batch_divide(struct batch *b, enum entry_state state, struct err *e)
{
        b->n_units = 0;
        if (b->n == 0)
                return 0;
        struct entry **list = arena_alloc(b->arena, b->n * sizeof(struct entry *));
        b->units = arena_alloc(b->arena, b->n * sizeof *b->units);
        if (!list || !b->units || set_levels(b, state, e) < 0)
                return err_oom(e);
        size_t n = 0;
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == state)
                        list[n++] = &b->entries[i];
        qsort(list, n, sizeof(struct entry *), compare_entries);
        for (size_t i = 0; i < n; i++) {
                struct unit *u = b->n_units ? &b->units[b->n_units - 1] : NULL;
                if (!u || compare_unit(u->list[0], list[i]) != 0) {
                        u = &b->units[b->n_units++];
                        *u = (struct unit){ list[i]->type,
                                            list[i]->type_no,
                                            list[i]->run,
                                            list[i]->about,
                                            list[i]->dry_run,
                                            &list[i],
                                            0 };
                }
                u->n++;
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
                c->units = arena_alloc(b->arena, (b->n_units + 1) * sizeof *b->units);
        }
        if (!c->entries || !c->list || !c->units)
                return err_oom(e);
        if (b->n)
                memcpy(c->entries, b->entries, b->n * sizeof *b->entries);
        if (b->n_units)
                memcpy(c->units, b->units, b->n_units * sizeof *b->units);
        for (size_t i = 0, at = 0; i < b->n_units; at += b->units[i++].n)
                if (b->units[i].n)
                        memcpy(c->list + at, b->units[i].list,
                               b->units[i].n * sizeof(struct entry *));
        return 0;
}

void batch_restore(struct batch *b, const struct batch_copy *c)
{
        if (b->n)
                memcpy(b->entries, c->entries, b->n * sizeof *b->entries);
        if (b->n_units)
                memcpy(b->units, c->units, b->n_units * sizeof *b->units);
        for (size_t i = 0, at = 0; i < b->n_units; at += b->units[i++].n)
                if (b->units[i].n)
                        memcpy(b->units[i].list, c->list + at,
                               b->units[i].n * sizeof(struct entry *));
}

void batch_reset(struct batch *b)
{
        for (size_t i = 0; i < b->n_results; i++)
                db_result_free(b->results[i]);
        b->n_results = b->n = b->n_units = b->result_bytes = 0;
        b->entries = NULL;
        b->units = NULL;
        b->cap = 0;
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

bool is_too_large(const struct err *e)
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
