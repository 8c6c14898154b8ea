#pragma once
/* The last sequence folded per results partition and source partition. Part of the core; outlives
 * batches. */
#include "aggregator/fold.h"

struct source {
        int32_t results_no, partition;
        uint32_t topic; /* index into names */
        bool moved;     /* by this batch */
        /* of a results partition that is not ours any more, or is claimed anew: goes when there is
         * no room */
        bool forgotten;
        int64_t stored, sequence; /* as committed, and with this batch */
};

struct sources {
        struct source *list; /* in order of first appearance */
        size_t n, cap, max;
        uint32_t *index; /* open addressing: 1 + position in list; 0: free */
        size_t index_cap;
        struct span *names; /* topics, owned */
        size_t n_names;
        uint32_t *moved; /* positions in list */
        size_t n_moved;
        size_t latest;
        uint64_t seed;
};

void sources_deinit(struct sources *s);
/* The source's entry, made when it is new. 0; 1 when there are too many; -1 out of memory. */
int sources_get(struct sources *s, int32_t results_no, struct span topic, int32_t partition,
                struct source **ret);
void sources_move(struct sources *s, struct source *x, int64_t sequence);
void sources_forget(struct sources *s, int32_t results_no);
void sources_end(struct sources *s, bool commit);
