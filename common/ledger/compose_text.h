/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The texts of composed statements. Private to compose.c, which prepares them. */
#include "ledger/composed.h"
#include "pack/statement.h"

enum { COMPOSED_MAX = 2 * 1024 * 1024 }; /* bytes of a statement */

struct shape { /* which optional columns a type's effect has */
        bool known, item, reason, before, after, follow_ups;
        char *others; /* the columns that the engine does not know, as a select list of `e` */
};

/* What a statement is put together from. */
struct composing {
        const struct task_type *type;
        int type_no;
        enum variant variant;
        const struct sql_file *file;
        const struct shape *shape; /* NULL: the pack's list alone */
};

const struct sql_file *composing_file(const struct task_type *t, enum variant v);
/* Does the condition that the type requires stand before its batch? */
bool composing_guarded(const struct composing *k);

/* Fills `ret`, which the caller frees in any case. ERR_FATAL: a :name in the pack's text is not
 * known. */
int compose_text(const struct composing *k, struct composed *ret, struct err *e) MUST_CHECK;
/* The pack's text alone, for its columns and its plan. */
int compose_bare(const struct composing *k, struct composed *ret, struct err *e) MUST_CHECK;
void composed_deinit(struct composed *c);
