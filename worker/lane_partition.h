/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The partitions that one thread of a worker has claimed, as rollcall.position holds them. Claiming
 * one raises its epoch, which fences every earlier owner.
 */
#include "position/position.h"

enum { LANE_PARTITIONS_MAX = 4096 };

enum lane_partition_state {
        LANE_PARTITION_NONE,    /* not ours */
        LANE_PARTITION_STOPPED, /* the stored offset is not in the topic: nothing is consumed */
        LANE_PARTITION_CLAIMED, /* ours; what earlier owners left is still to be finished */
        LANE_PARTITION_READY,   /* ours, and consumed */
        /* revoked while a transaction was under way: ours, by the epoch, until that has ended, but
         * nothing more is begun */
        LANE_PARTITION_REVOKED,
};

struct lane_partition {
        struct position at; /* `next` as committed */
        enum lane_partition_state state;
        int64_t sequence;  /* last number given to an outcome */
        int64_t published; /* as committed */
        int64_t acked; /* outcomes up to here are acknowledged; written with the next transaction */
        int64_t taken; /* offset after the last message of the batch being built */
        int64_t taken_digest; /* of the message before `taken`; 0: none */
        int deaths;           /* of owners that made no progress, the latest in a row */
        int64_t trying;       /* what the latest of them was doing alone; INT64_MIN: nothing */
        /* up to here one message is taken at a time; and until then, at least */
        int64_t careful_to, careful_ms;
        /* outcomes are written for it without moving `next`: the transaction must still find it
         * ours */
        bool touched;
        /* how many of its rows recover_collect takes at once: see there; 0: none have been taken
         * yet */
        size_t rows;
        /* intake: when to resume a partition that waits for its service's limits; 0: consumed */
        int64_t resume_ms;
};

struct lane_partitions {
        struct lane_partition *list; /* stays where it is */
        size_t n;
};

/* Ours by the table: nobody has claimed it since, as far as is known. */
static inline bool lane_partition_is_owned(const struct lane_partition *x)
{
        return x->state >= LANE_PARTITION_CLAIMED;
}

/* Still ours, by the claim with that epoch, and not revoked: more may be begun. Publishing and
 * acting serve the group meanwhile, which may revoke a partition, and even assign it again. */
static inline bool lane_partition_has_epoch(const struct lane_partition *x, int64_t epoch)
{
        return (x->state == LANE_PARTITION_CLAIMED || x->state == LANE_PARTITION_READY) &&
               x->at.epoch == epoch;
}

/* The index of (topic, partition), added when it is new; -1 when there are too many. `topic` must
 * outlive the list. */
int lane_partitions_index(struct lane_partitions *s, const char *topic, int32_t partition);

/* Claims the partition in the database, with what its earlier logs left unfinished, and reads its
 * position: CLAIMED. */
int lane_partition_claim(struct db *d, const char *cluster, const char *owner,
                         struct lane_partition *x, struct err *e) MUST_CHECK;
enum lane_partition_reclaim { LANE_PARTITION_RECLAIMED = 0, LANE_PARTITION_LOST = 1 };
/* The same for a partition that is ours already, after the connection was lost; what is known to be
 * acknowledged stays known. LOST: somebody else has claimed it. */
int lane_partition_reclaim(struct db *d, struct lane_partition *x, struct err *e) MUST_CHECK;

/* The parameters of the statement that every transaction begins with, for all partitions that have
 * something to write: taken past `next`, touched, or with acknowledgements to write. Returns how
 * many rows it must give back; fewer mean that somebody else owns one now. */
size_t lane_partitions_move_params(const struct lane_partitions *s, struct db_params *p);
/* After the commit: what was written is now what the table holds. */
void lane_partitions_moved(struct lane_partitions *s);
/* Forgets what has been taken since the last commit. Numbers that were given to outcomes stay
 * unused. */
void lane_partitions_untake(struct lane_partitions *s);
