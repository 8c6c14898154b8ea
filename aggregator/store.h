#pragma once
/*
 * The aggregator's side of PostgreSQL: who owns which partition of the results topic, and one
 * transaction per batch.
 */
#include "aggregator/fold.h"
#include "aggregator/numbered.h"
#include "db/db.h"
#include "kafka/kafka.h"

enum share_state {
        SHARE_UNCLAIMED, /* assigned to us, but its position must be read (again) first */
        SHARE_READY,
        /* something was lost before it was folded: the ledger has it, and comes first */
        SHARE_BEHIND,
        /* its log does not fit the position: nothing is taken until that has been put right */
        SHARE_STOPPED,
};

/* A partition of the results topic that is assigned to us. */
struct share {
        const char *topic; /* the consumer's */
        int32_t partition;
        int64_t start; /* where the consumer begins after a claim */
        enum share_state state;
        int32_t source_no; /* of its row in rollcall.position */
        int64_t epoch;
        int64_t stored, next;     /* position.next as committed, and with the batch */
        int64_t mark, taken_mark; /* digests of the messages before `stored` and `next`; 0: none */
        /* offset of the message before `next` while it is still to be compared with `mark`; else -1
         */
        int64_t check;
        const struct kafka_message *last; /* taken, while `taken_mark` is not made of it */
        bool behind;                      /* the table says so */
        bool touched; /* something is to be stored for it though its position does not move */
        /* position.sequence: the number of its dead letters; the same two */
        int64_t letters_stored, letters;
        /* up to this number they are on the dead-letters topic, and the table says so */
        int64_t letters_published;
        int64_t letters_said;   /* up to this number they are in the log */
        int64_t letters_offset; /* offset of the last one that was published; -1: not known */
        int64_t seen_ms; /* when a message came or the broker was asked about it, monotonic */
        bool said_stopped;
};

/* A message that could not be read, or not be folded. */
struct letter {
        struct share *share;
        int64_t offset, sequence;
        struct span reason, key, value;
        struct letter *next;
};

struct store_limits {
        size_t params_max; /* bytes of one statement's parameters */
        /* different reasons per type and day in the table, "" and "(other)" not counted */
        int64_t reasons_max;
        int64_t errors_kept; /* per type */
};

struct store;

int store_new(const struct store_limits *l, struct store **ret, struct err *e) MUST_CHECK;
void store_free(struct store *s);
DEFINE_CLEANUP(store_cleanup, struct store, store_free)

/* Takes the connection over and prepares the statements on it. `d` is freed when that fails. */
int store_attach(struct store *s, struct db *d, struct err *e) MUST_CHECK;
struct db *store_db(struct store *s); /* NULL while there is none */
void store_detach(struct store *s);   /* frees the connection */

/* Makes every unclaimed share ours: its epoch grows, so that an earlier owner's batch no longer
 * commits. Reads the position and, into `f`, what has been folded. The shares stay unclaimed in
 * `state`: the caller compares them with the broker first. */
int store_claim(struct store *s, const char *cluster, const char *owner, struct share *list,
                size_t n, struct fold *f, struct err *e) MUST_CHECK;

/* What the ledger has numbered, by topic and partition, and the database's clock. `results`: the
 * topic that is no source. */
int store_numbers(struct store *s, const char *results, struct numbered *ret, struct err *e)
        MUST_CHECK;

/* Does the table name `owner` as the owner of any partition of the topic? */
int store_owns(struct store *s, const char *cluster, const char *topic, const char *owner,
               bool *ret, struct err *e) MUST_CHECK;

/* Source partitions of `topics` that have outcomes above what has been folded for this share:
 * topic, partition, their source_no as an array, the last number folded, the last number given. The
 * ledger's outcomes of such sources above `after` up to `to`, in order, some thousand. */
int store_behind(struct store *s, const struct share *x, const char *const *topics, size_t n,
                 struct db_result **ret, struct err *e) MUST_CHECK;
int store_ledger(struct store *s, const char *sources, int64_t after, int64_t to,
                 struct db_result **ret, struct err *e) MUST_CHECK;
/* All of them have been folded. */
int store_caught_up(struct store *s, const struct share *x, struct err *e) MUST_CHECK;

/* One transaction: positions by compare-and-set, the batch's changes, its dead letters. 0:
 * committed. 1: somebody else owns a partition or moved a position; nothing was stored. -1: error;
 * when the connection broke it is not known whether it was stored. */
int store_batch(struct store *s, const struct share *list, size_t n, const struct fold *f,
                const struct letter *letters, struct err *e) MUST_CHECK;

/* The next dead letters of a share that are not yet published, in order; the spans live in `a`. */
int store_letters(struct store *s, const struct share *x, struct arena *a, struct letter **ret,
                  struct err *e) MUST_CHECK;
/* They are published up to number `sequence`. */
int store_published(struct store *s, const struct share *x, int64_t sequence, struct err *e)
        MUST_CHECK;
