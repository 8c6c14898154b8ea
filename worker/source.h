#pragma once
/* The partitions that a pump owns, as rollcall.position holds them. Claiming one raises its epoch,
 * which fences every earlier owner. */
#include "db/db.h"
#include <stdint.h>

enum { SOURCES_MAX = 4096 };

struct source {
        const char *topic;
        int32_t partition;
        bool owned;
        /* taken away while a transaction was under way: ours until that has ended, by the epoch,
         * but nothing more is begun */
        bool leaving;
        /* its log does not fit: not owned, and nothing is taken until the position has been put
         * right */
        bool stopped;
        bool said; /* that it does not fit */
        int source_no;
        int64_t epoch;
        int64_t next;      /* offset to take next, as committed */
        int64_t sequence;  /* last number given to an outcome */
        int64_t published; /* as committed */
        int64_t acked; /* outcomes up to here are acknowledged; written with the next transaction */
        int64_t taken; /* offset after the last message of the batch being built */
        int64_t mark, taken_mark; /* digests of the messages before `next` and `taken`; 0: none */
        /* offset of the message before `next` while it is still to be compared with `mark`; else -1
         */
        int64_t check;
        int deaths;     /* of owners who got nowhere, the latest in a row */
        int64_t trying; /* what the latest of them was doing alone; INT64_MIN: nothing */
        /* up to here one message is taken at a time; care lasts until then, at least */
        int64_t careful_to, careful_ms;
        /* outcomes are written for it without moving `next`: the transaction must still find it
         * ours */
        bool touched;
        /* how many of its rows recover_collect takes at once: see there; 0: none have been taken
         * yet */
        size_t rows;
};

struct sources {
        struct source *list; /* stays where it is */
        size_t n;
};

/* The index of (topic, partition), added when it is new; -1 when there are too many. `topic` must
 * outlive the list. */
int source_index(struct sources *s, const char *topic, int32_t partition);

/* Takes the partition over in the database, with what its earlier logs left unfinished, and reads
 * where to go on. */
int source_claim(struct db *d, const char *cluster, const char *owner, struct source *s,
                 struct err *e) MUST_CHECK;
/* The same for a source that is ours already, after its connection was lost; what is known to be
 * acknowledged stays known. 1: somebody else has claimed it. */
int source_reclaim(struct db *d, struct source *s, struct err *e) MUST_CHECK;

/* The parameters of the statement that every transaction begins with, for all sources that have
 * something to write: taken past `next`, touched, or with acknowledgements to note. Returns how
 * many rows it must give back; fewer mean that somebody else owns one now. */
size_t source_move_params(const struct sources *s, struct db_params *p);
/* After the commit: what was written is now what the table holds. */
void source_moved(struct sources *s);
