#include "aggregator/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* Rows are written in the order of their keys, so that two aggregators wait for each other instead
 * of locking each other up. */
static const struct {
        const char *name, *sql;
} statements[] = {
        { "claim",
          "select c.source_no, u.topic, u.partition, c.epoch, c.next, c.sequence, c.published, c.mark, rollcall.inherit_folded(c.source_no, c.switched)"
          " from (select * from unnest($3::text[], $4::int4[]) as u(topic, partition) order by 1, 2) u"
          " cross join lateral rollcall.claim($1::text, u.topic, u.partition, $2::text) c" },
        { "known",
          "select results_no, source_topic, source_partition, sequence from rollcall.folded f where results_no = any($1::int4[])"
          " and exists (select from rollcall.position p where p.topic = f.source_topic and p.partition = f.source_partition)" },
        { "numbers",
          "select topic, partition, max(sequence), now() from rollcall.position where topic <> $1::text group by 1, 2 order by 1, 2 desc" },
        { "owns",
          "select exists (select from rollcall.position where cluster = $1 and topic = $2 and owner = $3)" },
        { "behind",
          "select p.topic, p.partition, array_agg(p.source_no), coalesce(max(f.sequence), 0), max(p.sequence) from rollcall.position p"
          " left join rollcall.folded f on f.results_no = $1::int4 and f.source_topic = p.topic and f.source_partition = p.partition"
          " where p.topic = any($2::text[]) group by 1, 2 having max(p.sequence) > coalesce(max(f.sequence), 0) order by 1, 2" },
        { "ledger",
          "select o.sequence, o.outcome, o.attempt, o.dry_run, o.subject, o.item, o.reason, o.at, t.name, r.run_id, coalesce(r.pack, split_part(t.name, '.', 1)),"
          " coalesce(r.job, ''), o.task_id, o.replaces from rollcall.outcome o join rollcall.task_type t using (type_no)"
          " left join rollcall.run r on r.run_no = o.run_no"
          " where o.source_no = any($1::text::int4[]) and o.sequence > $2::int8 and o.sequence <= $3::int8 and o.outcome >= 0 order by 1 limit 5000" },
        { "caught_up",
          "update rollcall.log_gap g set repaired_at = now() from rollcall.position p"
          " where p.source_no = $1::int4 and p.epoch = $2::int8 and g.source_no = p.source_no and g.repaired_at is null" },
        { "positions",
          "update rollcall.position p set next = u.next, mark = u.mark, sequence = u.sequence, updated_at = now()"
          " from unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[]) as u(source_no, epoch, was, next, mark, sequence)"
          " where p.source_no = u.source_no and p.epoch = u.epoch and p.next = u.was" },
        { "runs",
          "insert into rollcall.run_total as t"
          " (run_id, pack, job, dry_run, applied, skipped, failed, quarantined, unknown, first_at, last_at)"
          " select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[],"
          " $10::timestamptz[], $11::timestamptz[]) order by 1, 4"
          " on conflict (run_id, dry_run) do update set applied = t.applied + excluded.applied,"
          " skipped = t.skipped + excluded.skipped, failed = t.failed + excluded.failed, quarantined = t.quarantined + excluded.quarantined,"
          " unknown = t.unknown + excluded.unknown, first_at = least(t.first_at, excluded.first_at), last_at = greatest(t.last_at, excluded.last_at)" },
        { "days",
          "with given as (select date '1970-01-01' + u.day as day, u.type, u.dry_run, u.outcome, u.reason, u.count"
          " from unnest($1::int4[], $2::text[], $3::bool[], $4::int2[], $5::text[], $6::int8[]) as u(day, type, dry_run, outcome, reason, count)),"
          " used as (select t.day, t.type, count(*) as n from rollcall.day_total t"
          " where (t.day, t.type) in (select day, type from given) and t.reason not in ('', '(other)') group by 1, 2),"
          " ranked as (select g.*, t.day is not null or g.reason in ('', '(other)') as free,"
          " row_number() over (partition by g.day, g.type, t.day is not null or g.reason in ('', '(other)') order by g.count desc, g.reason) as rank"
          " from given g left join rollcall.day_total t using (day, type, dry_run, outcome, reason))"
          " insert into rollcall.day_total as t (day, type, dry_run, outcome, reason, count)"
          " select r.day, r.type, r.dry_run, r.outcome,"
          " case when r.free or coalesce(u.n, 0) + r.rank <= $7::int8 then r.reason else '(other)' end, sum(r.count)"
          " from ranked r left join used u using (day, type) group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5"
          " on conflict (day, type, dry_run, outcome, reason) do update set count = t.count + excluded.count" },
        { "errors",
          "insert into rollcall.recent_error (event_id, at, run_id, type, subject, item, outcome, reason)"
          " select * from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int2[], $8::text[]) order by 1"
          " on conflict (event_id) do nothing" },
        { "prune",
          "delete from rollcall.recent_error where event_id in (select e.event_id from unnest($1::text[]) as u(type)"
          " cross join lateral (select x.at, x.event_id from rollcall.recent_error x where x.type = u.type"
          " order by x.at desc, x.event_id desc offset $2::int8 - 1 limit 1) last"
          " join rollcall.recent_error e on e.type = u.type and (e.at, e.event_id) < (last.at, last.event_id) for update of e skip locked)" },
        { "folded",
          "insert into rollcall.folded (results_no, source_topic, source_partition, sequence)"
          " select * from unnest($1::int4[], $2::text[], $3::int4[], $4::int8[]) order by 1, 2, 3"
          " on conflict (results_no, source_topic, source_partition) do update set sequence = excluded.sequence" },
        { "letters",
          "insert into rollcall.dead_letter (source_no, src_offset, sequence, reason, key, value)"
          " select * from unnest($1::int4[], $2::int8[], $3::int8[], $4::text[], $5::bytea[], $6::bytea[])" },
        { "unpublished",
          "select src_offset, sequence, reason, key, value from (select *,"
          " sum(coalesce(length(key), 0) + coalesce(length(value), 0)) over (order by src_offset rows between unbounded preceding and 1 preceding) as before"
          " from (select * from rollcall.dead_letter where source_no = $1::int4 and src_offset > $2::int8 and sequence > $3::int8"
          " order by src_offset limit 200) few) d where before is null or before < 1000000 order by src_offset" },
        { "published",
          "update rollcall.position set published = greatest(published, $2::int8) where source_no = $1::int4 and epoch = $3::int8" },
};

int store_new(const struct store_limits *l, struct store **ret, struct err *e)
{
        struct store *s = calloc(1, sizeof *s);
        if (s)
                s->params = db_params_new(l->params_max);
        if (!s || !s->params) {
                store_free(s);
                return err_oom(e);
        }
        s->limits = *l;
        *ret = s;
        return 0;
}

void store_free(struct store *s)
{
        if (!s)
                return;
        store_detach(s);
        db_params_free(s->params);
        free(s);
}

void store_detach(struct store *s)
{
        db_free(TAKE(s->db));
}

struct db *store_db(struct store *s)
{
        return s->db;
}

int store_attach(struct store *s, struct db *d, struct err *e)
{
        store_detach(s);
        s->db = d;
        for (size_t i = 0; i < ARRAY_LEN(statements); i++)
                if (db_prepare(d, statements[i].name, statements[i].sql, e) < 0) {
                        store_detach(s);
                        return -1;
                }
        return 0;
}

struct db_params *store_params(struct store *s)
{
        db_params_reset(s->params);
        return s->params;
}

/* ---- shares ---- */

static struct share *share_of(struct share *list, size_t n, const char *topic, int64_t partition)
{
        for (size_t i = 0; i < n; i++)
                if (list[i].partition == partition && strcmp(list[i].topic, topic) == 0)
                        return &list[i];
        return NULL;
}

static int load_known(struct store *s, const struct share *list, size_t n, size_t unclaimed,
                      struct fold *f, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        db_array_begin(p, DB_INT4, unclaimed);
        for (size_t i = 0; i < n; i++)
                if (list[i].state == SHARE_UNCLAIMED) {
                        fold_forget(f, list[i].source_no);
                        db_element_int(p, list[i].source_no);
                }
        db_array_end(p);
        if (db_run(s->db, "known", p, &rows, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(rows); i++) {
                struct fold_source x = { (int32_t)db_int(rows, i, 0), (int32_t)db_int(rows, i, 2),
                                         db_span(rows, i, 1), db_int(rows, i, 3) };
                if (fold_known(f, &x, e) < 0)
                        return -1;
        }
        return 0;
}

int store_claim(struct store *s, const char *cluster, const char *owner, struct share *list,
                size_t n, struct fold *f, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        size_t unclaimed = 0;
        for (size_t i = 0; i < n; i++)
                unclaimed += list[i].state == SHARE_UNCLAIMED;
        db_add_str(p, cluster);
        db_add_str(p, owner);
        db_array_begin(p, DB_TEXT, unclaimed);
        for (size_t i = 0; i < n; i++)
                if (list[i].state == SHARE_UNCLAIMED)
                        db_element_text(p, span_of(list[i].topic));
        db_array_end(p);
        db_array_begin(p, DB_INT4, unclaimed);
        for (size_t i = 0; i < n; i++)
                if (list[i].state == SHARE_UNCLAIMED)
                        db_element_int(p, list[i].partition);
        db_array_end(p);
        if (db_run(s->db, "claim", p, &rows, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(rows); i++) {
                struct share *x = share_of(list, n, db_str(rows, i, 1), db_int(rows, i, 2));
                if (!x)
                        continue;
                x->source_no = (int32_t)db_int(rows, i, 0);
                x->epoch = db_int(rows, i, 3);
                x->stored = x->next = db_int(rows, i, 4);
                x->letters_stored = x->letters = db_int(rows, i, 5);
                x->letters_published = db_int(rows, i, 6);
                x->mark = x->taken_mark = db_int(rows, i, 7);
                x->behind = db_bool(rows, i, 8);
                x->letters_offset = -1;
        }
        return load_known(s, list, n, unclaimed, f, e);
}

int store_numbers(struct store *s, const char *results, struct numbered *ret, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        db_add_str(p, results);
        if (db_run(s->db, "numbers", p, &rows, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(rows); i++) {
                if (numbered_set(ret, db_str(rows, i, 0), (int32_t)db_int(rows, i, 1),
                                 db_int(rows, i, 2)) < 0)
                        return err_oom(e);
                ret->now = db_instant(rows, i, 3);
        }
        return 0;
}

int store_owns(struct store *s, const char *cluster, const char *topic, const char *owner,
               bool *ret, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        db_add_str(p, cluster);
        db_add_str(p, topic);
        db_add_str(p, owner);
        if (db_run(s->db, "owns", p, &r, e) < 0)
                return -1;
        *ret = db_bool(r, 0, 0);
        return 0;
}

/* ---- what was lost ---- */

int store_behind(struct store *s, const struct share *x, const char *const *topics, size_t n,
                 struct db_result **ret, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_int4(p, x->source_no);
        db_array_begin(p, DB_TEXT, n);
        for (size_t i = 0; i < n; i++)
                db_element_text(p, span_of(topics[i]));
        db_array_end(p);
        return db_run(s->db, "behind", p, ret, e);
}

int store_ledger(struct store *s, const char *sources, int64_t after, int64_t to,
                 struct db_result **ret, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_str(p, sources);
        db_add_int8(p, after);
        db_add_int8(p, to);
        return db_run(s->db, "ledger", p, ret, e);
}

int store_caught_up(struct store *s, const struct share *x, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_int4(p, x->source_no);
        db_add_int8(p, x->epoch);
        return db_run(s->db, "caught_up", p, NULL, e);
}

/* ---- dead letters ---- */

static int nibble(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10;
}

/* A bytea as PostgreSQL prints it: \x and two digits a byte. */
static bool copy_bytes(struct arena *a, struct span text, struct span *ret)
{
        *ret = (struct span){ 0 };
        if (!text.ptr || text.len < 2)
                return true;
        size_t n = text.len / 2 - 1;
        char *bytes = arena_alloc(a, n + 1);
        if (!bytes)
                return false;
        for (size_t i = 0; i < n; i++)
                bytes[i] = (char)(nibble(text.ptr[2 + 2 * i]) << 4 | nibble(text.ptr[3 + 2 * i]));
        *ret = (struct span){ bytes, n };
        return true;
}

int store_letters(struct store *s, const struct share *x, struct arena *a, struct letter **ret,
                  struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *rows CLEANUP(db_result_cleanup) = NULL;
        struct letter **end = ret;
        *ret = NULL;
        db_add_int4(p, x->source_no);
        db_add_int8(p, x->letters_offset);
        db_add_int8(p, x->letters_published);
        if (db_run(s->db, "unpublished", p, &rows, e) < 0)
                return -1;
        for (int i = 0; i < db_rows(rows); i++) {
                struct letter *l = arena_alloc(a, sizeof *l);
                if (!l)
                        return err_oom(e);
                l->offset = db_int(rows, i, 0);
                l->sequence = db_int(rows, i, 1);
                l->reason = arena_span(a, db_span(rows, i, 2));
                if (!l->reason.ptr || !copy_bytes(a, db_span(rows, i, 3), &l->key) ||
                    !copy_bytes(a, db_span(rows, i, 4), &l->value))
                        return err_oom(e);
                *end = l;
                end = &l->next;
        }
        return 0;
}

int store_published(struct store *s, const struct share *x, int64_t sequence, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_int4(p, x->source_no);
        db_add_int8(p, sequence);
        db_add_int8(p, x->epoch);
        return db_run(s->db, "published", p, NULL, e);
}
