#pragma once
/*
 * After a takeover or a lost connection: what was committed but is not known to be on the results
 * topic is published again, with the same ids, from the ledger; and intents whose result is not
 * known are collected.
 */
#include "batch.h"
#include "runs.h"
#include "source.h"

struct recovery {
        struct db *db;
        struct runs *runs;
        const struct packs *packs;
        const struct type_numbers *types;
        struct sources *sources;
        int64_t version_wait_ms; /* retry.version_wait */
        size_t *rows; /* how many to take up at once, by what came back before: 1 to RECOVER_MAX */
};

enum { RECOVER_MAX = 5000, RECOVER_COLUMNS = 22, RECOVER_BYTES = 2 * 1024 * 1024 };

/*
 * A query for recover_collect: the columns that it reads, of rows made by RECOVER_FROM, in the
 * order of `place`. A row counts with what it costs here: bytes as hexadecimal digits and once more
 * as they are, arguments as JSON and once more read.
 */
#define RECOVER_FROM(place, sequence, attempt, arguments, tries)                                 \
        "select " place " as place, o.src_offset, " sequence " as sequence, o.outcome, " attempt \
        " as attempt, o.dry_run, o.subject, o.item, "                                            \
        "o.reason, o.before, o.after, o.follow_ups, o.task_id, o.actor, " arguments              \
        " as arguments, o.at, t.name as type, r.run_id, o.type_no, "                             \
        "h.key, h.value, o.replaces, " tries " as tries "
#define RECOVER_ROWS_WITH(more, from)                                                                                                           \
        "select src_offset, sequence, outcome, attempt, dry_run, subject, item, reason, before, after, array_to_string(follow_ups, ','), "      \
        "task_id, actor, arguments, at, type, run_id, type_no, encode(key, 'hex'), encode(value, 'hex'), replaces, tries" more                  \
        " "                                                                                                                                     \
        "from (select s.*, sum(size) over (order by place rows unbounded preceding) - size as earlier "                                         \
        "from (select q.*, 512 + coalesce(octet_length(reason), 0) + coalesce(octet_length(before), 0) + coalesce(octet_length(after), 0) "     \
        "+ 3 * coalesce(octet_length(key), 0) + 3 * coalesce(octet_length(value), 0) + 4 * coalesce(octet_length(arguments::text), 0) as size " \
        "from (" from " limit $3::bigint) q) s) x where earlier < $4::bigint order by place"
#define RECOVER_ROWS(from) RECOVER_ROWS_WITH("", from)

/* Fills the (reset) batch with entries of source `index` from a query made by RECOVER_ROWS with
 * parameters source number, `after`, rows, bytes; its result is the batch's first. Gives their
 * number. */
int recover_collect(struct recovery *r, const char *sql, int index, int64_t after, struct batch *b,
                    struct err *e) MUST_CHECK;
/* No more than so many the next time: what they came to was too large. */
void recover_limit(struct recovery *r, size_t rows);

/* Fills the (reset) batch with outcomes and dead letters of source `index` with sequence > after,
 * in order, as DONE and DEAD. `ret_last`: the last sequence among them; unchanged when there is
 * none. Gives their number. */
int recover_outcomes(struct recovery *r, int index, int64_t after, struct batch *b,
                     int64_t *ret_last, struct err *e) MUST_CHECK;

/* Fills the (reset) batch with the pending intents of source `index`, as PENDING with the attempt
 * raised. Gives their number. */
int recover_intents(struct recovery *r, int index, struct batch *b, struct err *e) MUST_CHECK;

/* Bytes from their hexadecimal form, in the arena; unchanged for NULL. -1: the arena is full. */
int recover_from_hex(struct arena *a, struct span hex, struct span *ret) MUST_CHECK;
