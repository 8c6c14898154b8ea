/* SPDX-License-Identifier: Apache-2.0 */
/* Adds events to the changes of a batch: by run, by day and reason, and the newest errors. */
#include "aggregator/fold.h"

#include "aggregator/fold_check.h"
#include "aggregator/fold_errors.h"
#include "aggregator/map.h"
#include "aggregator/sequence_table.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* The limit of different reasons holds for a task type and a day. */
struct group {
        uint64_t hash;
        int64_t day;
        struct span type;
        size_t reasons;
};

struct fold {
        struct fold_limits limits;
        struct arena *memory; /* of the batch */
        struct sequence_table sequences;
        struct map runs, days, groups, types;
        struct fold_run *latest_run;
        struct fold_day *latest_day;
        struct fold_changes changes;
        bool full; /* the batch has used up its memory: it takes no more */
};

int fold_new(const struct fold_limits *l, struct fold **ret, struct err *e)
{
        struct fold *f = calloc(1, sizeof *f);
        if (f)
                f->memory = arena_new(l->memory_max);
        if (!f || !f->memory) {
                fold_free(f);
                return err_oom(e);
        }
        f->limits = *l;
        f->sequences.max = l->sequences_max;
        f->sequences.seed = l->seed;
        *ret = f;
        return 0;
}

void fold_free(struct fold *f)
{
        if (!f)
                return;
        sequence_table_deinit(&f->sequences);
        arena_free(f->memory);
        free(f);
}

static void end_batch(struct fold *f, bool commit)
{
        sequence_table_end(&f->sequences, commit);
        /* An arena that is used up has only small blocks, which cannot hold a large table: replace
         * it. */
        struct arena *fresh = f->full ? arena_new(f->limits.memory_max) : NULL;
        if (fresh) {
                arena_free(f->memory);
                f->memory = fresh;
        }
        arena_reset(f->memory);
        f->full = false;
        f->runs = f->days = f->groups = f->types = (struct map){ 0 };
        f->latest_run = NULL;
        f->latest_day = NULL;
        f->changes = (struct fold_changes){ 0 };
}

void fold_commit(struct fold *f)
{
        end_batch(f, true);
}

void fold_discard(struct fold *f)
{
        end_batch(f, false);
}

void fold_forget(struct fold *f, int32_t results_no)
{
        sequence_table_forget(&f->sequences, results_no);
}

int fold_load(struct fold *f, const struct fold_sequence *s, struct err *e)
{
        struct sequence_entry *x = NULL;
        int rc = sequence_table_get(&f->sequences, s->results_no, s->topic, s->partition, &x);
        if (rc < 0)
                return err_oom(e);
        if (rc)
                return err_set(e, ERR_FATAL, "", "more than %zu source partitions are known",
                               f->limits.sequences_max);
        x->stored = x->sequence = s->sequence;
        return 0;
}

void fold_changes(const struct fold *f, struct fold_changes *ret)
{
        *ret = f->changes;
        ret->n_sequences = f->sequences.n_advanced;
}

struct fold_sequence fold_sequence_at(const struct fold *f, size_t i)
{
        const struct sequence_entry *x = &f->sequences.list[f->sequences.advanced[i]];
        return (struct fold_sequence){ x->results_no, x->partition, f->sequences.names[x->topic],
                                       x->sequence };
}

/* ---- runs ---- */

static bool same_run(const void *entry, const void *key)
{
        const struct fold_run *r = entry;
        const struct outcome_event *m = key;
        return r->dry_run == m->dry_run && uuid_eq(r->run_id, m->run_id);
}

static struct fold_run *run_of(struct fold *f, const struct outcome_event *m)
{
        if (f->latest_run && same_run(f->latest_run, m))
                return f->latest_run;
        uint64_t hash = hash_bytes(f->limits.seed + m->dry_run, &m->run_id, sizeof m->run_id);
        struct fold_run *r = map_find(&f->runs, hash, same_run, m);
        if (!r) {
                bool adhoc = uuid_is_nil(m->run_id);
                struct span none = SPAN_LIT("");
                r = arena_alloc(f->memory, sizeof *r);
                if (!r)
                        return NULL;
                *r = (struct fold_run){ .hash = hash,
                                        .run_id = m->run_id,
                                        .dry_run = m->dry_run,
                                        .first_at = m->at,
                                        .last_at = m->at };
                if (!fold_copy(f->memory, adhoc ? none : m->pack, &r->pack) ||
                    !fold_copy(f->memory, adhoc ? none : m->job, &r->job) ||
                    !map_add(&f->runs, f->memory, r))
                        return NULL;
                r->next = (struct fold_run *)f->changes.runs;
                f->changes.runs = r;
                f->changes.n_runs++;
        }
        f->latest_run = r;
        return r;
}

/* ---- days ---- */

static bool same_day(const void *entry, const void *key)
{
        const struct fold_day *a = entry, *b = key;
        return a->day == b->day && a->outcome == b->outcome && a->dry_run == b->dry_run &&
               span_eq(a->type, b->type) && span_eq(a->reason, b->reason);
}

static bool same_group(const void *entry, const void *key)
{
        const struct group *a = entry, *b = key;
        return a->day == b->day && span_eq(a->type, b->type);
}

static void hash_day(const struct fold *f, struct fold_day *d)
{
        uint64_t h = hash_number(f->limits.seed,
                                 (uint64_t)d->day * 16 + (uint64_t)d->outcome * 2 + d->dry_run);
        d->hash = hash_bytes(hash_bytes(h, d->type.ptr, d->type.len), d->reason.ptr, d->reason.len);
}

static struct group *group_of(struct fold *f, int64_t day, struct span type)
{
        struct group key = { .hash = hash_bytes(hash_number(f->limits.seed, (uint64_t)day),
                                                type.ptr, type.len),
                             .day = day,
                             .type = type };
        struct group *g = map_find(&f->groups, key.hash, same_group, &key);
        if (g)
                return g;
        g = arena_alloc(f->memory, sizeof *g);
        if (!g)
                return NULL;
        *g = key;
        return fold_copy(f->memory, type, &g->type) && map_add(&f->groups, f->memory, g) ? g : NULL;
}

static struct fold_day *find_day(struct fold *f, struct fold_day *key)
{
        hash_day(f, key);
        return map_find(&f->days, key->hash, same_day, key);
}

static struct fold_day *add_day(struct fold *f, struct fold_day *key)
{
        bool named = key->reason.len && !span_is(key->reason, FOLD_OTHER);
        struct group *g = group_of(f, key->day, key->type);
        if (!g)
                return NULL;
        if (named && g->reasons >= f->limits.reasons_max) {
                key->reason = SPAN_LIT(FOLD_OTHER);
                named = false;
                struct fold_day *other = find_day(f, key);
                if (other)
                        return other;
        }
        struct fold_day *d = arena_alloc(f->memory, sizeof *d);
        if (!d)
                return NULL;
        *d = *key;
        d->type = g->type;
        if (!fold_copy(f->memory, key->reason, &d->reason) || !map_add(&f->days, f->memory, d))
                return NULL;
        g->reasons += named;
        d->next = (struct fold_day *)f->changes.days;
        f->changes.days = d;
        f->changes.n_days++;
        return d;
}

static struct fold_day *day_of(struct fold *f, const struct outcome_event *m)
{
        static const int64_t day_us = 86400 * INSTANT_SECOND;
        struct fold_day key = { .day = m->at / day_us - (m->at % day_us < 0),
                                .type = m->type,
                                .reason = utf8_cut(m->reason, FOLD_NAME_MAX),
                                .dry_run = m->dry_run,
                                .outcome = m->outcome };
        if (f->latest_day && same_day(f->latest_day, &key))
                return f->latest_day;
        struct fold_day *d = find_day(f, &key);
        if (!d)
                d = add_day(f, &key);
        if (d)
                f->latest_day = d;
        return d;
}

/* ---- errors ---- */

static bool same_type(const void *entry, const void *key)
{
        return span_eq(((const struct fold_type *)entry)->type, *(const struct span *)key);
}

static struct fold_type *type_of(struct fold *f, struct span type)
{
        uint64_t hash = hash_bytes(f->limits.seed, type.ptr, type.len);
        struct fold_type *t = map_find(&f->types, hash, same_type, &type);
        if (t)
                return t;
        t = arena_alloc(f->memory, sizeof *t);
        if (!t)
                return NULL;
        t->hash = hash;
        if (!fold_copy(f->memory, type, &t->type) || !map_add(&f->types, f->memory, t))
                return NULL;
        t->next = (struct fold_type *)f->changes.types;
        f->changes.types = t;
        f->changes.n_types++;
        return t;
}

/* False: no memory. */
static bool keep_error(struct fold *f, const struct outcome_event *m)
{
        if (f->limits.errors_max == 0)
                return true;
        struct fold_type *t = type_of(f, m->type);
        if (!t)
                return false;
        size_t before = t->n;
        if (!fold_errors_keep(t, f->limits.errors_max, f->memory, m))
                return false;
        f->changes.n_errors += t->n - before;
        return true;
}

/* ---- an event ---- */

/* Entries that an event added before the memory was used up are the heads of the lists. */
static enum fold_result undo_partial_event(struct fold *f)
{
        struct fold_changes *c = &f->changes;
        if (c->runs && c->runs->events == 0) {
                c->runs = c->runs->next;
                c->n_runs--;
        }
        if (c->days && c->days->count == 0) {
                c->days = c->days->next;
                c->n_days--;
        }
        if (c->types && c->types->n == 0) {
                c->types = c->types->next;
                c->n_types--;
        }
        f->full = true;
        return FOLD_FULL;
}

/* An outcome that this program does not know was counted as unknown, too. */
static enum outcome replaced(const struct outcome_event *m)
{
        enum outcome o = OUTCOME_UNKNOWN;
        (void)outcome_parse(m->replaces, &o);
        return o;
}

enum fold_result fold_event(struct fold *f, int32_t results_no, const struct outcome_event *m,
                            struct err *e)
{
        if (f->full)
                return FOLD_FULL;
        if (fold_check(m, e) < 0)
                return FOLD_REFUSED;
        struct sequence_entry *x = NULL;
        int rc = sequence_table_get(&f->sequences, results_no, m->source_topic, m->source_partition,
                                    &x);
        if (rc == SEQUENCE_TABLE_FULL) {
                err_set(e, ERR_INPUT, "", "more than %zu source partitions", f->sequences.n);
                return FOLD_REFUSED;
        }
        if (rc == 0 && m->sequence <= x->sequence) {
                f->changes.duplicates++;
                return FOLD_DUPLICATE;
        }
        /* First all that can fail, then all that counts: an event is aggregated whole or not at
         * all. */
        struct fold_run *r = rc == 0 ? run_of(f, m) : NULL;
        struct fold_day *d = r ? day_of(f, m) : NULL;
        if (!d || (m->outcome >= OUTCOME_FAILED && !keep_error(f, m)))
                return undo_partial_event(f);
        r->counts[m->outcome]++;
        if (m->replaces.ptr)
                r->counts[replaced(m)]--;
        r->events++;
        r->first_at = m->at < r->first_at ? m->at : r->first_at;
        r->last_at = m->at > r->last_at ? m->at : r->last_at;
        d->count++;
        sequence_table_advance(&f->sequences, x, m->sequence);
        f->changes.counted++;
        return FOLD_COUNTED;
}
