/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The requests that are being published. Private to the files of requests. */
#include "context.h"

enum {
        TRACKED_MAX = 4096, /* requests that are in work at once */
        NAME_SIZE = 160,
};

struct request_row { /* of the table */
        int64_t request_no;
        char type[NAME_SIZE];
        char *actor;
        enum lane lane;
        bool dry_run;
        instant at;
        size_t slot;
};

struct request_batch { /* the rows of one lane that are being published, in their order */
        /* task_ids, subjects, items, arguments of each row; NULL: the batch is empty */
        struct db_result *arrays;
        struct request_row *rows;
        size_t n, row;
        struct db_texts ids, subjects, items, arguments; /* of the row, that are left */
        bool begun;                                      /* they are those of `row` */
        struct task task;                                /* the next one, when `ready` */
        bool ready;
        struct span parsed;   /* the text that task.arguments was made of: tasks often share it */
        struct arena *memory; /* of task.arguments */
};

struct request_tracked { /* a request from when it is in a batch until it is recorded as published
                          */
        int64_t request_no;
        uint32_t id;    /* upper half of the tokens; 0: the slot is free */
        size_t unacked; /* tasks */
        bool complete;  /* all tasks are handed to Kafka */
};

struct requests {
        struct context *c;
        struct request_tracked slots[TRACKED_MAX];
        size_t n_tracked, n_published; /* in use; of them those to be recorded */
        struct request_batch small[LANE_COUNT], large[LANE_COUNT];
        struct db_params *params;
        bool more;             /* there may be rows to read into batches */
        bool cluster_compared; /* what went to another cluster is published again */
        int64_t found_ms, checkpoint_ms;
        struct {
                int64_t due_ms, pause_ms, took_ms;
                int64_t checked; /* up to this request_no, in this pass */
        } settling;
};

void request_batch_clear(struct request_batch *b);
void request_state_reset(struct requests *q);
