/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The last sequence aggregated, by results partition and source partition. Part of the core; lives
 * longer than a batch.
 */
#include "base/buf.h"
#include <stdint.h>

struct sequence_entry {
        int32_t results_no, partition;
        uint32_t topic; /* index into names */
        bool advanced;  /* by this batch */
        /* of a results partition that was revoked, or is to be claimed: removed when there is no
         * room */
        bool forgotten;
        int64_t stored, sequence; /* as committed, and with this batch */
};

struct sequence_table {
        struct sequence_entry *list; /* in order of first appearance */
        size_t n, cap, max;
        uint32_t *index; /* open addressing: 1 + position in list; 0: free */
        size_t index_cap;
        struct span *names; /* topics, owned */
        size_t n_names;
        uint32_t *advanced; /* positions in list */
        size_t n_advanced;
        size_t latest; /* position of the entry that was read last */
        uint64_t seed;
};

void sequence_table_deinit(struct sequence_table *s);

/* Not negative: see sequence_table_get. */
enum sequence_table_result { SEQUENCE_FOUND, SEQUENCE_TABLE_FULL };

/* The entry of a source partition, added when it is new; valid until the next call. -1: out of
 * memory. */
int sequence_table_get(struct sequence_table *s, int32_t results_no, struct span topic,
                       int32_t partition, struct sequence_entry **ret);
void sequence_table_advance(struct sequence_table *s, struct sequence_entry *x, int64_t sequence);
void sequence_table_forget(struct sequence_table *s, int32_t results_no);
/* Ends a batch: its sequences are stored, or go back to what they were. */
void sequence_table_end(struct sequence_table *s, bool commit);
