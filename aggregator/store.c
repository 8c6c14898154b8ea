#include "aggregator/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* Rows are written in the order of their keys, so that two aggregators wait for each other instead of locking each other up. */
static const struct {
        const char *name, *sql;
} statements[] = {
        { "claim",
          "insert into rollcall.position as p (cluster, topic, partition, epoch, owner)"
          " select $1::text, u.topic, u.partition, 1, $2::text from unnest($3::text[], $4::int4[]) as u(topic, partition) order by 2, 3"
          " on conflict (cluster, topic, partition) do update set epoch = p.epoch + 1, owner = excluded.owner, updated_at = now()"
          " returning source_no, topic, partition, epoch, next, sequence, published" },
        { "known", "select results_no, source_topic, source_partition, sequence from rollcall.folded where results_no = any($1::int4[])" },
        { "skip",
          "with moved as (update rollcall.position set next = $4::int8, updated_at = now()"
          " where source_no = $1::int4 and epoch = $2::int8 and next = $3::int8 returning source_no)"
          " insert into rollcall.results_gap (source_no, first, next) select source_no, $3::int8, $4::int8 from moved" },
        { "positions",
          "update rollcall.position p set next = u.next, sequence = u.sequence, updated_at = now()"
          " from unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) as u(source_no, epoch, was, next, sequence)"
          " where p.source_no = u.source_no and p.epoch = u.epoch and p.next = u.was" },
        { "runs",
          "insert into rollcall.run_total as t"
          " (run_id, pack, job, dry_run, applied, skipped, failed, quarantined, unknown, first_at, last_at)"
          " select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[],"
          " $10::timestamptz[], $11::timestamptz[]) order by 1"
          " on conflict (run_id) do update set dry_run = t.dry_run and excluded.dry_run, applied = t.applied + excluded.applied,"
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

/* ---- shares -------------------------------------------------------------------------------------------------------------------------- */

static struct share *share_of(struct share *list, size_t n, const char *topic, int64_t partition)
{
        for (size_t i = 0; i < n; i++)
                if (list[i].partition == partition && strcmp(list[i].topic, topic) == 0)
                        return &list[i];
        return NULL;
}

static int load_known(struct store *s, const struct share *list, size_t n, size_t unclaimed, struct fold *f, struct err *e)
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
                struct fold_source x = { (int32_t)db_int(rows, i, 0), (int32_t)db_int(rows, i, 2), db_span(rows, i, 1), db_int(rows, i, 3) };
                if (fold_known(f, &x, e) < 0)
                        return -1;
        }
        return 0;
}

int store_claim(struct store *s, const char *cluster, const char *owner, struct share *list, size_t n, struct fold *f, struct err *e)
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
                x->letters_offset = -1;
        }
        return load_known(s, list, n, unclaimed, f, e);
}

int store_skip(struct store *s, struct share *x, int64_t low, struct err *e)
{
        struct db_params *p = store_params(s);
        struct db_result *done CLEANUP(db_result_cleanup) = NULL;
        db_add_int4(p, x->source_no);
        db_add_int8(p, x->epoch);
        db_add_int8(p, x->stored);
        db_add_int8(p, low);
        if (db_run(s->db, "skip", p, &done, e) < 0)
                return -1;
        if (db_affected(done) != 1)
                return 1;
        x->stored = x->next = low;
        return 0;
}

/* ---- dead letters -------------------------------------------------------------------------------------------------------------------- */

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

int store_letters(struct store *s, const struct share *x, struct arena *a, struct letter **ret, struct err *e)
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
                if (!l->reason.ptr || !copy_bytes(a, db_span(rows, i, 3), &l->key) || !copy_bytes(a, db_span(rows, i, 4), &l->value))
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
