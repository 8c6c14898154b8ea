/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task types that are paused: their statement fails whatever it is given. Their tasks are passed
 * over until rollcall.paused_type says that the type is resumed. Pure.
 */
#include "batch.h"

enum {
        PAUSES_MAX = 256,  /* types of which a worker knows that they are paused */
        PAUSES_NEW = 16,   /* that one transaction pauses */
        PAUSE_TASKS = 100, /* so many fail, each in the same way: the type does */
        PAUSE_SAMPLES = 5,
        SQLSTATE_MAX = 6,
};

struct new_pause {
        const struct task_type *type;
        int type_no;
        struct err why;
        struct span samples[PAUSE_SAMPLES]; /* messages of tasks that failed; in the batch */
        size_t n_samples;
        bool written; /* by the transaction under way; else another worker was faster */
};

struct pauses {
        struct paused {
                int type_no;
                bool due;   /* for a retry */
        } list[PAUSES_MAX]; /* as the table was seen last */
        size_t n;
        struct new_pause fresh[PAUSES_NEW]; /* by the transaction under way */
        size_t n_fresh;
        struct failing { /* types whose latest tasks all failed in the same way */
                int type_no;
                char code[SQLSTATE_MAX];
                size_t n;
        } failing[PAUSES_NEW];
        size_t n_failing;
};

bool pauses_has(const struct pauses *p, int type_no);
/* What the table has: "3,17!": numbers of types, those with '!' are due. */
void pauses_read(struct pauses *p, const char *text);
/* Adds a type that is to be paused, with samples out of list[0..n). False: there are too many
 * already. */
bool pauses_add(struct pauses *p, const struct task_type *type, int type_no, const struct err *why,
                struct entry *const *list, size_t n);
/* After the commit: what was fresh is known. */
void pauses_committed(struct pauses *p);

/* `n` tasks of the type, tried for the first time, all failed with `code`. True: so did at least
 * PAUSE_TASKS in a row. */
bool pauses_count(struct pauses *p, int type_no, const char *code, size_t n);
/* One succeeded, or they failed in different ways. */
void pauses_forget(struct pauses *p, int type_no);
