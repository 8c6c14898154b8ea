#pragma once
/* `rollcall check`: findings are printed as they are made, and it goes on after failures. */
#include "output.h"

struct check {
        struct cli *cli;
        bool offline; /* neither Kafka nor the mail relay */
        size_t passed, failed;
        json_t *findings; /* with --json: printed as one document at the end */
};

/* "ok   what: where: text"; `where` may be "". */
void check_ok(struct check *k, const char *what, const char *where, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
/* Worth knowing, and no fault: counted as neither. */
void check_note(struct check *k, const char *what, const char *where, const char *fmt, ...)
        PRINTF_LIKE(4, 5);
void check_fail(struct check *k, const char *what, const char *where, const char *fmt, ...)
        PRINTF_LIKE(4, 5);

/* Every statement of a pack against the database, and the templates against the columns. */
void check_statements(struct check *k, struct db *d, const struct pack *p);

/* Outcomes that stand in the statement as constants: each must be one that the type's action knows.
 * False after a finding. */
bool check_outcome_words(struct check *k, const struct task_type *t);

/* The server, our tables and privileges on them; what the packs need of them. `all`: NULL when
 * packs could not be loaded together. False after a finding without which nothing further can be
 * told: `rollcall db apply` has not been run, or is not for this program. */
bool check_database(struct check *k, struct db *d, const char *prefix, const struct packs *all);
void check_durability(struct check *k, struct db *d);
void check_tables(struct check *k, struct db *d);
void check_topics(struct check *k);
void check_mail(struct check *k, const struct packs *all);
void check_folders(struct check *k, const struct packs *all);
