#pragma once
/* What the two files of requests share: requests_look.c takes rows in hand, requests.c publishes
 * them. */
#include "scheduler.h"

enum {
        TRACKED_MAX = 4096, /* rows that are handed over, at once */
        NAME_SIZE = 160,
};

struct asked { /* a row of the table */
        int64_t request_no;
        char type[NAME_SIZE];
        char *actor;
        enum lane lane;
        bool dry_run;
        instant at;
        size_t slot;
};

struct hand { /* the rows of one lane that are being published, in their order */
        /* task_ids, subjects, items, arguments of each row; NULL: the hand is empty */
        struct db_result *arrays;
        struct asked *rows;
        size_t n, row;
        struct db_texts ids, subjects, items, arguments; /* of the row, that are left */
        bool begun;                                      /* they are those of `row` */
        struct task task;                                /* the next one, when `ready` */
        bool ready;
        struct span parsed;   /* the text that task.arguments was made of: tasks often share it */
        struct arena *memory; /* of task.arguments */
};

struct tracked { /* a row from when it is in hand until it is noted as published */
        int64_t request_no;
        uint32_t id;    /* upper half of the tokens; 0: the slot is free */
        size_t waiting; /* tasks without acknowledgement */
        bool whole;     /* all of it is handed over */
};

struct requests {
        struct tracked slots[TRACKED_MAX];
        size_t n_tracked, n_published; /* in use; of them those to be noted */
        struct hand small[LANE_COUNT], large[LANE_COUNT];
        struct db_params *params;
        bool look;     /* there may be rows to take in hand */
        bool compared; /* what went to another cluster is published again */
        int64_t looked_ms, noted_ms, settle_ms, settle_pause_ms, settle_took_ms;
        int64_t settled_to; /* request_no up to which has been looked whether it is settled */
};

void requests_reset_hands(struct requests *q);
/* Takes in hand what there is. 0, 1 the lead is lost, -1 error. */
int requests_look(struct scheduler *s, struct err *e) MUST_CHECK;
