/* SPDX-License-Identifier: Apache-2.0 */
/* Task types as the ledger numbers them. */
#include "ledger/ledger.h"

#include <stdlib.h>

struct type_numbers {
        size_t n;
        struct entry {
                const struct task_type *type;
                int number;
        } list[];
};

static size_t count_types(const struct packs *p)
{
        size_t n = 0;
        for (size_t i = 0; i < p->n; i++)
                n += p->list[i]->n_types;
        return n;
}

int type_numbers_load(struct db *d, const struct packs *p, struct type_numbers **ret, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        if (db_query(d, "select type_no, name from rollcall.task_type", NULL, &r, e) < 0)
                return -1;
        struct type_numbers *t = calloc(1, sizeof *t + count_types(p) * sizeof t->list[0]);
        if (!t)
                return err_oom(e);
        for (int row = 0; row < db_rows(r); row++) {
                const struct task_type *type = packs_type(p, db_span(r, row, 1));
                if (type)
                        t->list[t->n++] = (struct entry){ type, (int)db_int(r, row, 0) };
        }
        for (size_t i = 0; i < p->n; i++)
                for (size_t j = 0; j < p->list[i]->n_types; j++)
                        if (type_number(t, &p->list[i]->types[j]) < 0) {
                                type_numbers_free(t);
                                return err_set(e, ERR_FATAL, "",
                                               "task type %s is not registered in the database; "
                                               "run: rollcall db apply",
                                               p->list[i]->types[j].full_name);
                        }
        *ret = t;
        return 0;
}

void type_numbers_free(struct type_numbers *t)
{
        free(t);
}

int type_number(const struct type_numbers *t, const struct task_type *type)
{
        for (size_t i = 0; i < t->n; i++)
                if (t->list[i].type == type)
                        return t->list[i].number;
        return -1;
}

const struct task_type *type_by_number(const struct type_numbers *t, int number)
{
        for (size_t i = 0; i < t->n; i++)
                if (t->list[i].number == number)
                        return t->list[i].type;
        return NULL;
}
