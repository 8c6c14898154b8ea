#pragma once
/*
 * A pack's WITH lists as statements of their own: the engine's `batch` relation with one row, the list, and a select of `effect`. For checks (prepare
 * and describe) and for previews (run and roll back). The engine's own composition adds its ledger; what the pack's part does is the same.
 */
#include "args.h"
#include "pack/statement.h"

struct trial {
        char *text;
        struct bound_sql bound; /* its parameters follow the batch's */
        size_t body_line; /* newlines before the pack's own text, for errors that name FILE:LINE */
};

/* $1 subject, $2 item, $3 actor (and $4 sent_at for a record), then the arguments. `record`: the list is `type->record`. */
int trial_compose(const struct task_type *type, bool record, struct trial *ret, struct err *e) MUST_CHECK;
void trial_deinit(struct trial *t);

/* Runs the type's statement for one subject in a transaction with the pack's search path, and rolls it back. `given[i]` is argument i as text or
 * NULL. `ret`: the rows of `effect`. */
int trial_run(struct db *d, const struct task_type *type, const struct run_values *v, const char *subject, const char *item, const char *const *given,
              struct db_result **ret, struct err *e) MUST_CHECK;

/* Where in the file PostgreSQL found the fault: "FILE:LINE", from "at character N" of a statement whose pack part begins after `before` newlines. */
void trial_where(const struct sql_file *f, const char *statement, size_t before, const struct err *e, char *ret, size_t size);
