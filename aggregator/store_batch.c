/* SPDX-License-Identifier: Apache-2.0 */
/* One batch as one transaction: all statements are sent together, and committed only if every
 * position was where we left it. */
#include "aggregator/store_batch.h"

#include "base/failpoint.h"

/* Adds the columns and runs the statement that takes them. */
#define QUEUE_ROWS(s, name, rows, columns, e) \
        queue_rows(s, name, rows, columns, ARRAY_LEN(columns), e)

static int queue_rows(struct store *s, const char *name, const struct db_rowset *rows,
                      const struct db_column *columns, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
        db_add_columns(p, rows, columns, n);
        return db_pipeline_run(s->db, name, p, e);
}

/* The rows of a list whose structs have a member `next`. */
#define NEXT_OF(name, type)                                     \
        static const void *name(const void *row, void *first)   \
        {                                                       \
                return row ? ((const type *)row)->next : first; \
        }
NEXT_OF(next_run, struct fold_run)
NEXT_OF(next_day, struct fold_day)
NEXT_OF(next_type, struct fold_type)
NEXT_OF(next_dead_letter, struct dead_letter_entry)
#undef NEXT_OF

static bool is_changed(const void *row, void *ctx)
{
        const struct partition *x = row;
        (void)ctx;
        return x->next != x->at.next || x->touched;
}

static size_t count_changed(const struct partition *list, size_t n)
{
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
                count += is_changed(&list[i], NULL);
        return count;
}

static int queue_positions(struct store *s, const struct partition *list, size_t n, struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_INT4, struct partition, at.source_no),
                DB_FIELD(DB_INT8, struct partition, at.epoch),
                DB_FIELD(DB_INT8, struct partition, at.next),
                DB_FIELD(DB_INT8, struct partition, next),
                DB_FIELD(DB_INT8, struct partition, next_digest),
                DB_FIELD(DB_INT8, struct partition, dead_letters),
        };
        struct db_rowset rows = DB_ARRAY(list, n);
        rows.wanted = is_changed;
        return QUEUE_ROWS(s, "move_positions", &rows, columns, e);
}

static int queue_runs(struct store *s, const struct fold_run *runs, struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_UUID, struct fold_run, run_id),
                DB_FIELD(DB_TEXT, struct fold_run, pack),
                DB_FIELD(DB_TEXT, struct fold_run, job),
                DB_FIELD(DB_BOOL, struct fold_run, dry_run),
                DB_FIELD(DB_INT8, struct fold_run, counts[OUTCOME_APPLIED]),
                DB_FIELD(DB_INT8, struct fold_run, counts[OUTCOME_SKIPPED]),
                DB_FIELD(DB_INT8, struct fold_run, counts[OUTCOME_FAILED]),
                DB_FIELD(DB_INT8, struct fold_run, counts[OUTCOME_QUARANTINED]),
                DB_FIELD(DB_INT8, struct fold_run, counts[OUTCOME_UNKNOWN]),
                DB_FIELD(DB_TIMESTAMPTZ, struct fold_run, first_at),
                DB_FIELD(DB_TIMESTAMPTZ, struct fold_run, last_at),
        };
        _Static_assert(OUTCOME_COUNT == 5, "a column for each outcome");
        const struct db_rowset rows = { .next = next_run, .ctx = (void *)runs };
        return QUEUE_ROWS(s, "add_run_totals", &rows, columns, e);
}

static int queue_days(struct store *s, const struct fold_day *days, struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_INT4, struct fold_day, day),
                DB_FIELD(DB_TEXT, struct fold_day, type),
                DB_FIELD(DB_BOOL, struct fold_day, dry_run),
                DB_FIELD(DB_INT2, struct fold_day, outcome),
                DB_FIELD(DB_TEXT, struct fold_day, reason),
                DB_FIELD(DB_INT8, struct fold_day, count),
        };
        const struct db_rowset rows = { .next = next_day, .ctx = (void *)days };
        struct db_params *p = store_params(s);
        db_add_columns(p, &rows, columns, ARRAY_LEN(columns));
        db_add_int8(p, s->limits.reasons_max);
        return db_pipeline_run(s->db, "add_day_totals", p, e);
}

/* Walks over the errors of all types. */
struct errors {
        const struct fold_type *types, *at;
        size_t next;
};

static const void *next_error(const void *row, void *ctx)
{
        struct errors *x = ctx;
        if (!row) {
                x->at = x->types;
                x->next = 0;
        }
        while (x->at && x->next == x->at->n) {
                x->at = x->at->next;
                x->next = 0;
        }
        return x->at ? &x->at->errors[x->next++] : NULL;
}

static int queue_errors(struct store *s, const struct fold_type *types, struct err *e)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_UUID, struct fold_error, event_id),
                DB_FIELD(DB_TIMESTAMPTZ, struct fold_error, at),
                DB_FIELD(DB_UUID, struct fold_error, run_id),
                DB_FIELD(DB_TEXT, struct fold_error, type),
                DB_FIELD(DB_TEXT, struct fold_error, subject),
                DB_FIELD(DB_TEXT, struct fold_error, item),
                DB_FIELD(DB_INT2, struct fold_error, outcome),
                DB_FIELD(DB_TEXT, struct fold_error, reason),
        };
        struct errors errors = { .types = types };
        const struct db_rowset rows = { .next = next_error, .ctx = &errors };
        return QUEUE_ROWS(s, "add_recent_errors", &rows, columns, e);
}

static int queue_prune(struct store *s, const struct fold_type *types, struct err *e)
{
        static const struct db_column type = DB_FIELD(DB_TEXT, struct fold_type, type);
        const struct db_rowset rows = { .next = next_type, .ctx = (void *)types };
        struct db_params *p = store_params(s);
        db_add_columns(p, &rows, &type, 1);
        db_add_int8(p, s->limits.errors_kept);
        return db_pipeline_run(s->db, "prune_recent_errors", p, e);
}

static int queue_sequences(struct store *s, const struct fold *f, size_t n, struct err *e)
{
        struct db_params *p = store_params(s);
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, fold_sequence_at(f, i).results_no);
        db_array_end(p);
        db_array_begin(p, DB_TEXT, n);
        for (size_t i = 0; i < n; i++)
                db_element_text(p, fold_sequence_at(f, i).topic);
        db_array_end(p);
        db_array_begin(p, DB_INT4, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, fold_sequence_at(f, i).partition);
        db_array_end(p);
        db_array_begin(p, DB_INT8, n);
        for (size_t i = 0; i < n; i++)
                db_element_int(p, fold_sequence_at(f, i).sequence);
        db_array_end(p);
        return db_pipeline_run(s->db, "save_sequences", p, e);
}

static void add_source_no(struct db_params *p, const void *row, void *ctx)
{
        (void)ctx;
        db_element_int(p, ((const struct dead_letter_entry *)row)->partition->at.source_no);
}

static int queue_dead_letters(struct store *s, const struct dead_letter_entry *dead_letters,
                              struct err *e)
{
        static const struct db_column columns[] = {
                DB_CALL(DB_INT4, add_source_no),
                DB_FIELD(DB_INT8, struct dead_letter_entry, offset),
                DB_FIELD(DB_INT8, struct dead_letter_entry, sequence),
                DB_FIELD(DB_TEXT, struct dead_letter_entry, reason),
                DB_FIELD(DB_BYTEA, struct dead_letter_entry, key),
                DB_FIELD(DB_BYTEA, struct dead_letter_entry, value),
        };
        const struct db_rowset rows = { .next = next_dead_letter, .ctx = (void *)dead_letters };
        return QUEUE_ROWS(s, "add_dead_letters", &rows, columns, e);
}

/* ---- the transaction ---- */

/* Queues the whole batch; `queued` counts the answers to come. */
static int queue_all(struct store *s, const struct partition *list, size_t n, const struct fold *f,
                     const struct dead_letter_entry *dead_letters, int *queued, struct err *e)
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
        QUEUE(c.n_runs, queue_runs(s, c.runs, e));
        QUEUE(c.n_days, queue_days(s, c.days, e));
        QUEUE(c.n_errors, queue_errors(s, c.types, e));
        QUEUE(c.n_errors, queue_prune(s, c.types, e));
        QUEUE(c.n_sequences, queue_sequences(s, f, c.n_sequences, e));
        QUEUE(dead_letters != NULL, queue_dead_letters(s, dead_letters, e));
#undef QUEUE
        return rc;
}

/* Reads all answers; the first error counts. `ret_moved`: how many positions were where we left
 * them. */
static int collect_answers(struct store *s, int queued, int64_t *ret_moved, struct err *e)
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

static int send_all(struct store *s, const struct partition *list, size_t n, const struct fold *f,
                    const struct dead_letter_entry *dead_letters, int64_t *ret_moved, struct err *e)
{
        struct err second = ERR_INIT;
        int queued = 0;
        if (db_pipeline_begin(s->db, e) < 0)
                return -1;
        int rc = queue_all(s, list, n, f, dead_letters, &queued, e);
        if (db_pipeline_sync(s->db, rc < 0 ? &second : e) < 0)
                return -1;
        if (collect_answers(s, queued, ret_moved, rc < 0 ? &second : e) < 0)
                rc = -1;
        if (!db_alive(s->db))
                return -1;
        if (db_pipeline_finish_sync(s->db, rc < 0 ? &second : e) < 0 ||
            db_pipeline_end(s->db, rc < 0 ? &second : e) < 0)
                return -1;
        return rc;
}

int store_batch(struct store *s, const struct partition *list, size_t n, const struct fold *f,
                const struct dead_letter_entry *dead_letters, struct err *e)
{
        int64_t expected = (int64_t)count_changed(list, n), found = 0;
        if (expected == 0)
                return STORE_COMMITTED;
        int rc = send_all(s, list, n, f, dead_letters, &found, e);
        FAILPOINT("totals.uncommitted");
        if (rc == 0 && found == expected)
                return db_exec(s->db, "commit", e) < 0 ? -1 : STORE_COMMITTED;
        struct err second = ERR_INIT;
        if (db_alive(s->db) && db_exec(s->db, "rollback", rc < 0 ? &second : e) < 0)
                rc = -1;
        return rc < 0 ? -1 : STORE_FENCED;
}
