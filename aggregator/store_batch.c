/* One batch as one transaction: what is queued here is sent at once, and committed only when every
 * position was where we left it. */
#include "aggregator/store_internal.h"

#include "base/failpoint.h"

#define COLUMN(type, count, list, item, add)                                \
        do {                                                                \
                db_array_begin(p, type, count);                             \
                for (__typeof__(list) item = list; item; item = item->next) \
                        add;                                                \
                db_array_end(p);                                            \
        } while (0)

static bool changed(const struct share *x)
{
        return x->next != x->stored || x->touched;
}

static size_t moved(const struct share *list, size_t n)
{
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
                count += changed(&list[i]);
        return count;
}

static void add_shares(struct db_params *p, enum db_type type, const struct share *list, size_t n,
                       int64_t (*of)(const struct share *))
{
        db_array_begin(p, type, moved(list, n));
        for (size_t i = 0; i < n; i++)
                if (changed(&list[i]))
                        db_element_int(p, of(&list[i]));
        db_array_end(p);
}

static int64_t share_no(const struct share *x)
{
        return x->source_no;
}

static int64_t share_epoch(const struct share *x)
{
        return x->epoch;
}

static int64_t share_stored(const struct share *x)
{
        return x->stored;
}

static int64_t share_next(const struct share *x)
{
        return x->next;
}

static int64_t share_mark(const struct share *x)
{
        return x->taken_mark;
}

static int64_t share_letters(const struct share *x)
{
        return x->letters;
}

static int queue_positions(struct store *s, const struct share *list, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
        add_shares(p, DB_INT4, list, n, share_no);
        add_shares(p, DB_INT8, list, n, share_epoch);
        add_shares(p, DB_INT8, list, n, share_stored);
        add_shares(p, DB_INT8, list, n, share_next);
        add_shares(p, DB_INT8, list, n, share_mark);
        add_shares(p, DB_INT8, list, n, share_letters);
        return db_pipeline_run(s->db, "move_positions", p, e);
}

static int queue_runs(struct store *s, const struct fold_run *runs, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
        COLUMN(DB_UUID, n, runs, r, db_element_uuid(p, &r->run_id));
        COLUMN(DB_TEXT, n, runs, r, db_element_text(p, r->pack));
        COLUMN(DB_TEXT, n, runs, r, db_element_text(p, r->job));
        COLUMN(DB_BOOL, n, runs, r, db_element_int(p, r->dry_run));
        for (size_t k = 0; k < OUTCOME_COUNT; k++)
                COLUMN(DB_INT8, n, runs, r, db_element_int(p, r->counts[k]));
        COLUMN(DB_TIMESTAMPTZ, n, runs, r, db_element_instant(p, r->first_at));
        COLUMN(DB_TIMESTAMPTZ, n, runs, r, db_element_instant(p, r->last_at));
        return db_pipeline_run(s->db, "add_run_totals", p, e);
}

static int queue_days(struct store *s, const struct fold_day *days, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
        COLUMN(DB_INT4, n, days, d, db_element_int(p, d->day));
        COLUMN(DB_TEXT, n, days, d, db_element_text(p, d->type));
        COLUMN(DB_BOOL, n, days, d, db_element_int(p, d->dry_run));
        COLUMN(DB_INT2, n, days, d, db_element_int(p, d->outcome));
        COLUMN(DB_TEXT, n, days, d, db_element_text(p, d->reason));
        COLUMN(DB_INT8, n, days, d, db_element_int(p, d->count));
        db_add_int8(p, s->limits.reasons_max);
        return db_pipeline_run(s->db, "add_day_totals", p, e);
}

static int queue_errors(struct store *s, const struct fold_type *types, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
#define ERRORS(type, add)                                                                       \
        do {                                                                                    \
                db_array_begin(p, type, n);                                                     \
                for (const struct fold_type *t = types; t; t = t->next)                         \
                        for (const struct fold_error *x = t->errors; x < t->errors + t->n; x++) \
                                add;                                                            \
                db_array_end(p);                                                                \
        } while (0)
        ERRORS(DB_UUID, db_element_uuid(p, &x->event_id));
        ERRORS(DB_TIMESTAMPTZ, db_element_instant(p, x->at));
        ERRORS(DB_UUID, db_element_uuid(p, &x->run_id));
        ERRORS(DB_TEXT, db_element_text(p, x->type));
        ERRORS(DB_TEXT, db_element_text(p, x->subject));
        ERRORS(DB_TEXT, db_element_text(p, x->item));
        ERRORS(DB_INT2, db_element_int(p, x->outcome));
        ERRORS(DB_TEXT, db_element_text(p, x->reason));
#undef ERRORS
        return db_pipeline_run(s->db, "add_recent_errors", p, e);
}

static int queue_prune(struct store *s, const struct fold_type *types, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
        COLUMN(DB_TEXT, n, types, t, db_element_text(p, t->type));
        db_add_int8(p, s->limits.errors_kept);
        return db_pipeline_run(s->db, "prune_recent_errors", p, e);
}

static int queue_folded(struct store *s, const struct fold *f, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, fold_source_at(f, i).results_no);
        db_array_end(p);
        db_array_begin(p, DB_TEXT, n);
        for (size_t i = 0; i < n; i++)
                db_element_text(p, fold_source_at(f, i).topic);
        db_array_end(p);
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, fold_source_at(f, i).partition);
        db_array_end(p);
        db_array_begin(p, DB_INT8, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, fold_source_at(f, i).sequence);
        db_array_end(p);
        return db_pipeline_run(s->db, "save_sequences", p, e);
}

static int queue_letters(struct store *s, const struct letter *letters, struct err *e)
{
        struct db_params *p = store_params(s);
        size_t n = 0;
        for (const struct letter *l = letters; l; l = l->next)
                n++;
        COLUMN(DB_INT4, n, letters, l, db_element_int(p, l->share->source_no));
        COLUMN(DB_INT8, n, letters, l, db_element_int(p, l->offset));
        COLUMN(DB_INT8, n, letters, l, db_element_int(p, l->sequence));
        COLUMN(DB_TEXT, n, letters, l, db_element_text(p, l->reason));
        COLUMN(DB_BYTEA, n, letters, l, db_element_text(p, l->key));
        COLUMN(DB_BYTEA, n, letters, l, db_element_text(p, l->value));
        return db_pipeline_run(s->db, "add_dead_letters", p, e);
}

/* ---- the transaction ---- */

/* Queues the whole batch; `queued` counts the answers to come. */
static int queue_all(struct store *s, const struct share *list, size_t n, const struct fold *f,
                     const struct letter *letters, int *queued, struct err *e)
{
        struct fold_changes c;
        fold_changes(f, &c);
        int rc = db_pipeline_query(s->db, "begin", NULL, e);
        *queued += rc == 0;
#define QUEUE(wanted, call)                 \
        do {                                \
                if (rc == 0 && (wanted)) {  \
                        rc = call;          \
                        *queued += rc == 0; \
                }                           \
        } while (0)
        QUEUE(true, queue_positions(s, list, n, e));
        QUEUE(c.n_runs, queue_runs(s, c.runs, c.n_runs, e));
        QUEUE(c.n_days, queue_days(s, c.days, c.n_days, e));
        QUEUE(c.n_errors, queue_errors(s, c.types, c.n_errors, e));
        QUEUE(c.n_errors, queue_prune(s, c.types, c.n_types, e));
        QUEUE(c.n_sources, queue_folded(s, f, c.n_sources, e));
        QUEUE(letters != NULL, queue_letters(s, letters, e));
#undef QUEUE
        return rc;
}

/* Takes all answers; the first error counts. `ret_moved`: positions that were where we left them.
 */
static int collect(struct store *s, int queued, int64_t *ret_moved, struct err *e)
{
        int rc = 0;
        for (int i = 0; i < queued; i++) {
                struct db_result *r CLEANUP(db_result_cleanup) = NULL;
                struct err later = ERR_INIT;
                if (db_pipeline_result(s->db, &r, rc < 0 ? &later : e) < 0)
                        rc = -1;
                else if (i == 1)
                        *ret_moved = db_affected(r);
                if (!db_alive(s->db))
                        return -1;
        }
        return rc;
}

static int send_all(struct store *s, const struct share *list, size_t n, const struct fold *f,
                    const struct letter *letters, int64_t *ret_moved, struct err *e)
{
        struct err second = ERR_INIT;
        int queued = 0;
        if (db_pipeline_begin(s->db, e) < 0)
                return -1;
        int rc = queue_all(s, list, n, f, letters, &queued, e);
        if (db_pipeline_sync(s->db, rc < 0 ? &second : e) < 0)
                return -1;
        if (collect(s, queued, ret_moved, rc < 0 ? &second : e) < 0)
                rc = -1;
        if (!db_alive(s->db))
                return -1;
        if (db_pipeline_finish_sync(s->db, rc < 0 ? &second : e) < 0 ||
            db_pipeline_end(s->db, rc < 0 ? &second : e) < 0)
                return -1;
        return rc;
}

int store_batch(struct store *s, const struct share *list, size_t n, const struct fold *f,
                const struct letter *letters, struct err *e)
{
        int64_t expected = (int64_t)moved(list, n), found = 0;
        if (expected == 0)
                return 0;
        int rc = send_all(s, list, n, f, letters, &found, e);
        FAILPOINT("totals.uncommitted");
        if (rc == 0 && found == expected)
                return db_exec(s->db, "commit", e);
        struct err second = ERR_INIT;
        if (db_alive(s->db) && db_exec(s->db, "rollback", rc < 0 ? &second : e) < 0)
                rc = -1;
        return rc < 0 ? -1 : 1;
}
