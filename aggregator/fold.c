#include "aggregator/fold.h"

#include "base/utf8.h"
#include "aggregator/fold_check.h"
#include "aggregator/map.h"
#include "aggregator/sources.h"

#include <stdlib.h>
#include <string.h>

/* Reasons are counted together for what people look at together: a type and a day. */
struct group {
        uint64_t hash;
        int64_t day;
        struct span type;
        size_t reasons;
};

struct fold {
        struct fold_limits limits;
        struct arena *memory; /* of the batch */
        struct sources sources;
        struct map runs, days, groups, types;
        struct fold_run *latest_run;
        struct fold_day *latest_day;
        struct fold_changes changes;
        bool full; /* the batch met the end of its memory: it takes no more */
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
        f->sources.max = l->sources_max;
        f->sources.seed = l->seed;
        *ret = f;
        return 0;
}

void fold_free(struct fold *f)
{
        if (!f)
                return;
        sources_deinit(&f->sources);
        arena_free(f->memory);
        free(f);
}

static void end_batch(struct fold *f, bool commit)
{
        sources_end(&f->sources, commit);
        /* An arena that is used up has only small blocks, which would hold no large table again:
         * begin with another one. */
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

void fold_drop(struct fold *f)
{
        end_batch(f, false);
}

void fold_forget(struct fold *f, int32_t results_no)
{
        sources_forget(&f->sources, results_no);
}

int fold_known(struct fold *f, const struct fold_source *s, struct err *e)
{
        struct source *x = NULL;
        int rc = sources_get(&f->sources, s->results_no, s->topic, s->partition, &x);
        if (rc < 0)
                return err_oom(e);
        if (rc)
                return err_set(e, ERR_FATAL, "", "more than %zu source partitions are known",
                               f->limits.sources_max);
        x->stored = x->sequence = s->sequence;
        return 0;
}

void fold_changes(const struct fold *f, struct fold_changes *ret)
{
        *ret = f->changes;
        ret->n_sources = f->sources.n_moved;
}

struct fold_source fold_source_at(const struct fold *f, size_t i)
{
        const struct source *x = &f->sources.list[f->sources.moved[i]];
        return (struct fold_source){ x->results_no, x->partition, f->sources.names[x->topic],
                                     x->sequence };
}

/* ---- runs ---- */

static bool same_run(const void *entry, const void *key)
{
        const struct fold_run *r = entry;
        const struct outcome_event *m = key;
        return r->dry_run == m->dry_run && uuid_eq(r->run_id, m->run_id);
}

/* A copy that is "" instead of absent: the tables have no NULL there. */
static bool copy(struct fold *f, struct span s, struct span *ret)
{
        *ret = (struct span){ arena_strndup(f->memory, s.ptr, s.len), s.len };
        return ret->ptr != NULL;
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
                if (!copy(f, adhoc ? none : m->pack, &r->pack) ||
                    !copy(f, adhoc ? none : m->job, &r->job) || !map_add(&f->runs, f->memory, r))
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
        return copy(f, type, &g->type) && map_add(&f->groups, f->memory, g) ? g : NULL;
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
        if (!copy(f, key->reason, &d->reason) || !map_add(&f->days, f->memory, d))
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
        if (!copy(f, type, &t->type) || !map_add(&f->types, f->memory, t))
                return NULL;
        t->next = (struct fold_type *)f->changes.types;
        f->changes.types = t;
        f->changes.n_types++;
        return t;
}

static bool older(const struct fold_error *a, const struct fold_error *b)
{
        return a->at != b->at ? a->at < b->at
                              : memcmp(&a->event_id, &b->event_id, sizeof a->event_id) < 0;
}

static void sift_down(struct fold_type *t)
{
        for (size_t i = 0, child; (child = 2 * i + 1) < t->n; i = child) {
                if (child + 1 < t->n && older(&t->errors[child + 1], &t->errors[child]))
                        child++;
                if (!older(&t->errors[child], &t->errors[i]))
                        return;
                struct fold_error swap = t->errors[i];
                t->errors[i] = t->errors[child];
                t->errors[child] = swap;
        }
}

static void sift_up(struct fold_type *t)
{
        for (size_t i = t->n - 1; i > 0 && older(&t->errors[i], &t->errors[(i - 1) / 2]);
             i = (i - 1) / 2) {
                struct fold_error swap = t->errors[i];
                t->errors[i] = t->errors[(i - 1) / 2];
                t->errors[(i - 1) / 2] = swap;
        }
}

static bool room_for_error(struct fold *f, struct fold_type *t)
{
        if (t->n < t->cap || t->n == f->limits.errors_max)
                return true;
        size_t cap = t->cap ? t->cap * 2 : 8;
        struct fold_error *bigger = arena_alloc(f->memory, cap * sizeof *bigger);
        if (!bigger)
                return false;
        if (t->n)
                memcpy(bigger, t->errors, t->n * sizeof *bigger);
        t->errors = bigger;
        t->cap = cap;
        return true;
}

/* Keeps the error if it is among the newest of its type. False: no memory. */
static bool keep_error(struct fold *f, const struct outcome_event *m)
{
        struct fold_type *t = f->limits.errors_max ? type_of(f, m->type) : NULL;
        if (!t)
                return f->limits.errors_max == 0;
        struct fold_error x = { .event_id = m->event_id,
                                .run_id = m->run_id,
                                .at = m->at,
                                .type = t->type,
                                .outcome = m->outcome };
        bool full = t->n == f->limits.errors_max;
        if (full && !older(&t->errors[0], &x))
                return true;
        if (!room_for_error(f, t) || !copy(f, utf8_cut(m->subject, FOLD_DETAIL_MAX), &x.subject) ||
            !copy(f, utf8_cut(m->item, FOLD_DETAIL_MAX), &x.item) ||
            !copy(f, utf8_cut(m->reason, FOLD_DETAIL_MAX), &x.reason))
                return false;
        if (full) {
                t->errors[0] = x;
                sift_down(t);
        } else {
                t->errors[t->n++] = x;
                sift_up(t);
                f->changes.n_errors++;
        }
        return true;
}

/* ---- an event ---- */

/* What an event made before the memory ended, it made last: the heads of the lists. */
static enum folded end_of_memory(struct fold *f)
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

/* A kind that is newer than this program was counted as unknown, too. */
static enum outcome replaced(const struct outcome_event *m)
{
        enum outcome o = OUTCOME_UNKNOWN;
        (void)outcome_from_name(m->replaces, &o);
        return o;
}

enum folded fold_event(struct fold *f, int32_t results_no, const struct outcome_event *m,
                       struct err *e)
{
        if (f->full)
                return FOLD_FULL;
        if (fold_check(m, e) < 0)
                return FOLD_REFUSED;
        struct source *x = NULL;
        int rc = sources_get(&f->sources, results_no, m->source_topic, m->source_partition, &x);
        if (rc > 0) {
                err_set(e, ERR_INPUT, "", "a source partition beyond the %zu that are remembered",
                        f->sources.n);
                return FOLD_REFUSED;
        }
        if (rc == 0 && m->sequence <= x->sequence) {
                f->changes.repeated++;
                return FOLD_REPEATED;
        }
        /* First all that can fail, then all that counts: an event is folded whole or not at all. */
        struct fold_run *r = rc == 0 ? run_of(f, m) : NULL;
        struct fold_day *d = r ? day_of(f, m) : NULL;
        if (!d || (m->outcome >= OUTCOME_FAILED && !keep_error(f, m)))
                return end_of_memory(f);
        r->counts[m->outcome]++;
        if (m->replaces.ptr)
                r->counts[replaced(m)]--;
        r->events++;
        r->first_at = m->at < r->first_at ? m->at : r->first_at;
        r->last_at = m->at > r->last_at ? m->at : r->last_at;
        d->count++;
        sources_move(&f->sources, x, m->sequence);
        f->changes.counted++;
        return FOLD_COUNTED;
}
