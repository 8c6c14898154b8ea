/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a batch gathered by run, partition and chunk, and as lists where they differ. */
#include "batch_rows.h"

#include "ledger/ledger.h"
#include "task_params.h"

#include <stdio.h>
#include <string.h>

/* Entries of one row, in the order of their places. */
struct row {
        const struct entry **list;
        size_t n, cap;
};

struct rows {
        struct row *list;
        size_t n, cap;
};

bool batch_rows_takes(const struct entry *en)
{
        return en->place && en->parked == PARKED_NOT && !en->replaces && en->attempt == 1;
}

static int64_t chunk_of(const struct entry *en)
{
        return (en->place - 1) >> 20;
}

static int64_t index_of(const struct entry *en)
{
        return (en->place - 1) & ((1 << 20) - 1);
}

/* ---- gathering ---- */

static bool belongs(const struct row *r, const struct entry *en)
{
        const struct entry *first = r->list[0];
        return first->partition == en->partition && first->run == en->run &&
               chunk_of(first) == chunk_of(en);
}

static void *grown(struct arena *a, const void *list, size_t n, size_t *cap, size_t size)
{
        size_t more = *cap ? 2 * *cap : 16;
        void *copy = arena_alloc(a, more * size);
        if (copy && n)
                memcpy(copy, list, n * size);
        *cap = more;
        return copy;
}

static int add_entry(struct rows *all, const struct entry *en, struct arena *a)
{
        struct row *r = NULL;
        for (size_t i = all->n; !r && i-- > 0;) /* the last one is the likeliest */
                r = belongs(&all->list[i], en) ? &all->list[i] : NULL;
        if (!r) {
                if (all->n == all->cap &&
                    !(all->list = grown(a, all->list, all->n, &all->cap, sizeof *r)))
                        return -1;
                r = &all->list[all->n++];
                *r = (struct row){ 0 };
        }
        if (r->n == r->cap && !(r->list = grown(a, r->list, r->n, &r->cap, sizeof(void *))))
                return -1;
        r->list[r->n++] = en;
        return 0;
}

/* ---- lists ---- */

/* The row's tasks: those of its entries, and in between them those that have rows of their own. */
static size_t count_places(const struct row *r)
{
        return (size_t)(r->list[r->n - 1]->place - r->list[0]->place) + 1;
}

typedef int64_t (*number_of)(const struct entry *en);

static int64_t offset_of(const struct entry *en)
{
        return en->offset;
}

static int64_t sequence_of(const struct entry *en)
{
        return en->sequence;
}

/* Numbers minus the first; null when they are 0, 1, 2 … */
static void add_steps(struct db_params *p, const struct row *r, number_of number)
{
        const struct entry *first = r->list[0];
        size_t n = count_places(r), at = 0;
        bool even = n == r->n;
        for (size_t i = 0; even && i < r->n; i++)
                even = number(r->list[i]) - number(first) == (int64_t)i;
        if (even) {
                db_add_null(p);
                return;
        }
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < n; i++) {
                bool here = r->list[at]->place - first->place == (int64_t)i;
                db_element_int(p, number(r->list[at]) - number(first));
                at += here;
        }
        db_array_end(p);
}

static void add_outcomes(struct db_params *p, const struct row *r)
{
        size_t n = count_places(r), at = 0;
        bool same = n == r->n;
        for (size_t i = 1; same && i < r->n; i++)
                same = r->list[i]->outcome == r->list[0]->outcome;
        n = same ? 1 : n;
        db_array_begin(p, DB_TEXT, n);
        for (size_t i = 0; i < n; i++) {
                const struct entry *en = r->list[at];
                bool here = en->place - r->list[0]->place == (int64_t)i;
                char text[12];
                int len = snprintf(text, sizeof text, "%d", (int)en->outcome);
                db_element_text(p, here ? (struct span){ text, (size_t)len } : (struct span){ 0 });
                at += here;
        }
        db_array_end(p);
}

typedef struct span (*text_of)(const struct entry *en);

static struct span reason_of(const struct entry *en)
{
        return en->reason.len ? en->reason : (struct span){ 0 };
}

static struct span before_of(const struct entry *en)
{
        return en->before;
}

static struct span after_of(const struct entry *en)
{
        return en->after;
}

static struct span follow_ups_of(const struct entry *en)
{
        return en->outcome == OUTCOME_APPLIED && en->follow_ups.len ? en->follow_ups
                                                                    : (struct span){ 0 };
}

static bool same_text(struct span a, struct span b)
{
        return !a.ptr == !b.ptr && span_eq(a, b);
}

/* One text where all are the same; null where none has one. */
static void add_texts(struct db_params *p, const struct row *r, text_of text)
{
        struct span first = text(r->list[0]);
        bool same = true;
        for (size_t i = 1; same && i < r->n; i++)
                same = same_text(text(r->list[i]), first);
        if (same && !first.ptr) {
                db_add_null(p);
                return;
        }
        size_t n = same ? 1 : count_places(r), at = 0;
        db_array_begin(p, DB_TEXT, n);
        for (size_t i = 0; i < n; i++) {
                const struct entry *en = r->list[at];
                bool here = en->place - r->list[0]->place == (int64_t)i;
                db_element_text(p, here ? text(en) : (struct span){ 0 });
                at += here;
        }
        db_array_end(p);
}

/* ---- rows ---- */

static void add_params(const struct row *r, const struct lane_partitions *partitions,
                       struct db_params *p)
{
        const struct entry *first = r->list[0], *last = r->list[r->n - 1];
        db_params_reset(p);
        task_params_run_key(first->run, p);
        db_add_int4(p, (int32_t)chunk_of(first));
        db_add_int4(p, (int32_t)index_of(first));
        db_add_int4(p, (int32_t)count_places(r));
        db_add_int4(p, first->type_no);
        db_add_int4(p, partitions->list[first->partition].at.source_no);
        db_add_bool(p, first->dry_run);
        db_add_int8(p, first->offset);
        add_steps(p, r, offset_of);
        db_add_int8(p, first->sequence);
        db_add_int8(p, last->sequence);
        add_steps(p, r, sequence_of);
        add_outcomes(p, r);
        add_texts(p, r, reason_of);
        add_texts(p, r, before_of);
        add_texts(p, r, after_of);
        add_texts(p, r, follow_ups_of);
}

int batch_rows_queue(struct db *d, struct db_params *p, const struct lane_partitions *partitions,
                     const struct batch *b, size_t *ret_rows, struct err *e)
{
        struct rows all = { 0 };
        *ret_rows = 0;
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].state == ENTRY_DONE && b->entries[i].in_batch &&
                    add_entry(&all, &b->entries[i], b->arena) < 0)
                        return err_oom(e);
        for (size_t i = 0; i < all.n; i++) {
                add_params(&all.list[i], partitions, p);
                if (db_pipeline_run(d, "outcome_batch_add", p, e) < 0)
                        return -1;
        }
        *ret_rows = all.n;
        return 0;
}
